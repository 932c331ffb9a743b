"""What datasets of image files share: each scan is placed on the common grid, or aligned to a reference scan."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.cache import Arrays, cached_arrays, content_digest
from fusemorph.data.dataset import Dataset
from fusemorph.data.errors import DataError
from fusemorph.data.header import Header
from fusemorph.data.landmarks import read_landmarks
from fusemorph.data.preprocess import VERSION, Volume, background, normalise, read_labels, resample, window
from fusemorph.data.template import MNI152

READING = 2
"""Counts changes of how unusual files are read: those whose header ITK and nibabel read otherwise, or that hold stray
voxels. Only they carry it, so that the identity of all others stays."""
ALIGNMENT = 2
"""Counts changes of the arrays that ``align`` makes, as ``VERSION`` does of others."""


class FileDataset(Dataset):
    """Scans of files, resampled to one spacing, normalised by percentiles, and cropped or padded to one shape.

    With the setting ``align=affine`` each scan is mapped affinely to a reference scan instead: the first of train, so
    that no choice is made and neither val nor test takes part in it; where pairs are within subjects, the subject's
    first scan, so that a subject's scans keep their own shape. With ``align=mni``, where brains are shown,
    they are mapped to the MNI152 template, in the middle of the grid. Image and labels are interpolated once.
    """

    alignments: ClassVar[tuple[str, ...]] = ("none", "affine")

    def __init__(self, *, align: str, percentiles: Sequence[float], settings: Mapping[str, Any], **rest: Any) -> None:
        if align not in self.alignments:
            raise ValueError(f"{self.name}: 'align' must be one of {', '.join(self.alignments)}, got {align!r}")
        self._align, self._percentiles = align, percentiles
        # Records from before this setting keep their keys: it is written only where it is set.
        given = {name: value for name, value in settings.items() if (name, value) != ("align", "none")}
        self._digests: dict[Path, str] = {}
        super().__init__(settings=given, **rest)
        if align == "mni" and (self.within_subjects or len(self.shape) != 3):
            raise ValueError(f"{self.name}: 'align' can be 'mni' for 3-D images of different subjects alone")

    def reference(self, scan_id: str) -> str | None:
        """The scan to which this one is aligned; None for a reference itself, and where nothing is aligned."""
        if self._align != "affine":
            return None
        subject = self.subject(scan_id)
        same = [other for other, owner in self._subject.items() if owner == subject]
        first = same[0] if self.within_subjects else self.scan_ids("train")[0]
        return None if first == scan_id else first

    def read(self, scan_id: str) -> tuple[Volume, Volume | None]:
        """Image and labels of a scan as their files hold them, before anything is done to them.

        Raises:
            DataError: an unusable file, named.
        """
        return self._read(scan_id)

    def prepare(self, *, progress: bool = False) -> None:
        """As ``Dataset.prepare``; the landmarks of the evaluation pairs must go together.

        Raises:
            DataError: two scans of a pair have landmarks, but not as many.
        """
        super().prepare(progress=progress)
        for index in (index for split in self.splits if split != "train" for index in self.pairs(split)):
            paths = [self.beside(scan_id).get("landmarks") for scan_id in (index.fixed, index.moving)]
            if None not in paths:
                counts = [len(self._arrays(scan_id)["landmarks"]) for scan_id in (index.fixed, index.moving)]
                if counts[0] != counts[1]:
                    raise DataError(f"{paths[1]}: has {counts[1]} landmarks, {paths[0]} of the same pair {counts[0]}")

    def _content(self, scan_id: str) -> Any:
        digests = [self._digest(path) for path in self.files(scan_id)]
        content = [VERSION, *digests, *([] if self._plain(scan_id, digests) else [{"reading": READING}])]
        content += [{name: self._digest(path)} for name, path in self.beside(scan_id).items()]
        if self._align == "mni":
            return [*content, ALIGNMENT, MNI152]
        reference = self.reference(scan_id)
        return content if reference is None else [*content, ALIGNMENT, self._content(reference)]

    def _digest(self, path: Path) -> str:
        """The digest of a file as this dataset saw it first: what is in the fingerprint is what is trained on."""
        return self._digests.setdefault(path, content_digest(path, cache=self._cache))

    def _plain(self, scan_id: str, digests: list[str]) -> bool:
        """Whether a scan reads as it always has; remembered in the cache."""
        key = {"reading": digests, "version": READING}
        sources = dict(zip(self.files(scan_id), digests, strict=True))
        made = cached_arrays(key, lambda: {"plain": self._read_plainly(scan_id)}, sources=sources, cache=self._cache)
        return bool(made["plain"])

    def _read_plainly(self, scan_id: str) -> np.ndarray:
        image, labels = self._read(scan_id)
        headers = [volume.header for volume in (image, labels) if volume is not None]
        usual = bool(background(image.array) == image.array.min())
        return np.asarray(usual and all(header is None or header.plain for header in headers))

    def _arrays(self, scan_id: str) -> Arrays:
        reference = self.reference(scan_id)
        key = {"dataset": self.name, "content": self._content(scan_id), **self._grid_key(reference or scan_id)}
        paths = [*self.files(scan_id), *self.beside(scan_id).values(), *(self.files(reference) if reference else ())]
        sources = {path: self._digest(path) for path in paths}
        return cached_arrays(key, lambda: self._preprocess(scan_id, reference), sources=sources, cache=self._cache)

    def _preprocess(self, scan_id: str, reference: str | None) -> Arrays:
        image, labels = self._read(scan_id)
        if reference is not None or self._align == "mni":
            return self._preprocess_aligned(scan_id, image, labels, reference)
        first = normalise(resample(image, self.spacing_mm), self._percentiles)
        start = self._start(scan_id, first)
        placed = window(first, start=start, shape=self.shape)
        arrays = {"image": placed.array, "affine": placed.affine}
        if labels is not None:
            arrays["labels"] = window(resample(labels, self.spacing_mm), start=start, shape=self.shape).array
        if (mask := self._mask(scan_id, image)) is not None:
            mask = resample(mask, self.spacing_mm)
            cut = replace(mask, array=mask.array.astype(np.float32))  # which may lose voxels, unlike labels
            arrays["mask"] = window(cut, start=start, shape=self.shape).array.astype(np.int16)
        return arrays | self._landmarks(scan_id, image, grid=placed.affine)

    def _preprocess_aligned(self, scan_id: str, image: Volume, labels: Volume | None, reference: str | None) -> Arrays:
        # Imported here: what stays as it is needs no torch.
        from fusemorph.data.align import align, align_to_template

        image = normalise(image, self._percentiles)
        named = {"labels": labels, "mask": self._mask(scan_id, image)}
        maps = {name: volume for name, volume in named.items() if volume is not None}
        if reference is None:
            arrays = align_to_template(image, maps, spacing_mm=self.spacing_mm, shape=self.shape)
        else:
            first = normalise(resample(self._read(reference)[0], self.spacing_mm), self._percentiles)
            start = self._start(reference, first)
            arrays = align(image, maps, reference=first, start=start, shape=self.shape)
        matrix = np.eye(len(self.shape) + 1)
        matrix[:-1] = arrays.pop("matrix")
        return arrays | self._landmarks(scan_id, image, grid=image.affine @ matrix)

    def _mask(self, scan_id: str, image: Volume) -> Volume | None:
        """The mask of a scan, 0 and above, on the grid of its image."""
        path = self.beside(scan_id).get("mask")
        return None if path is None else read_labels(path, image=image)

    def _landmarks(self, scan_id: str, image: Volume, *, grid: np.ndarray) -> Arrays:
        """The landmarks of a scan in voxels of a grid; ``grid`` maps its voxels to the millimetres of the image."""
        path = self.beside(scan_id).get("landmarks")
        if path is None:
            return {}
        if image.array.ndim != 3 or image.header is None:
            raise DataError(f"{path}: landmarks must be of 3-D images, {image.path} is {image.array.ndim}-D")
        points = self._read_landmarks(path, image.header)
        return {"landmarks": np.linalg.solve(grid[:3, :3], (points - grid[:3, 3]).T).T}

    def _read_landmarks(self, path: Path, header: Header) -> np.ndarray:
        """The landmarks of a file in RAS millimetres."""
        return read_landmarks(path, header=header)

    @abstractmethod
    def _read(self, scan_id: str) -> tuple[Volume, Volume | None]:
        """Image and labels of a scan as their files hold them, checked."""

    @abstractmethod
    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        """At which voxel of the resampled image the common grid begins."""

    @abstractmethod
    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        """What the grid of a scan follows from, beside the contents of its files: a part of its key in the cache."""
