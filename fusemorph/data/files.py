"""What datasets of image files share: each scan is placed on the common grid, or aligned to a reference scan."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.cache import Arrays, cached_arrays, content_digest
from fusemorph.data.dataset import Dataset
from fusemorph.data.preprocess import VERSION, Volume, background, normalise, resample, window
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

    def _content(self, scan_id: str) -> Any:
        digests = [self._digest(path) for path in self.files(scan_id)]
        own = [VERSION, *digests, *([] if self._plain(scan_id, digests) else [{"reading": READING}])]
        if self._align == "mni":
            return [*own, ALIGNMENT, MNI152]
        reference = self.reference(scan_id)
        return own if reference is None else [*own, ALIGNMENT, self._content(reference)]

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
        sources = {path: self._digest(path) for one in (scan_id, reference) if one for path in self.files(one)}
        return cached_arrays(key, lambda: self._preprocess(scan_id, reference), sources=sources, cache=self._cache)

    def _preprocess(self, scan_id: str, reference: str | None) -> Arrays:
        image, labels = self._read(scan_id)
        if self._align == "mni":
            # Imported here, as below.
            from fusemorph.data.align import align_to_template

            image = normalise(image, self._percentiles)
            return align_to_template(image, labels, spacing_mm=self.spacing_mm, shape=self.shape)
        first = image if reference is None else self._read(reference)[0]
        first = normalise(resample(first, self.spacing_mm), self._percentiles)
        start = self._start(reference or scan_id, first)
        if reference is not None:
            # Imported here: what stays as it is needs no torch.
            from fusemorph.data.align import align

            image = normalise(image, self._percentiles)
            return align(image, labels, reference=first, start=start, shape=self.shape)
        placed = window(first, start=start, shape=self.shape)
        arrays = {"image": placed.array, "affine": placed.affine}
        if labels is not None:
            arrays["labels"] = window(resample(labels, self.spacing_mm), start=start, shape=self.shape).array
        return arrays

    @abstractmethod
    def _read(self, scan_id: str) -> tuple[Volume, Volume | None]:
        """Image and labels of a scan as their files hold them, checked."""

    @abstractmethod
    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        """At which voxel of the resampled image the common grid begins."""

    @abstractmethod
    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        """What the grid of a scan follows from, beside the contents of its files: a part of its key in the cache."""
