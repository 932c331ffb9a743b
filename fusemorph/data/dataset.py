"""The contract of a data set: scans in splits, and the pairs that are made of them."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from fusemorph.bounds import grid_problem
from fusemorph.data.cache import cache_folder
from fusemorph.data.errors import DataError
from fusemorph.data.labelled import LABELLED, choose_labelled, in_order
from fusemorph.data.pair import Pair, PairIndex, Scan
from fusemorph.data.pairing import check_subjects, connected_blocks, mirrored_pairs, pairs_within
from fusemorph.data.prepare import prepare_all
from fusemorph.data.settings import ATLAS, SELECT_ON

__all__ = ["Dataset", "Pair", "PairIndex", "Scan"]

OPEN_SCANS = 48
"""How many scans a dataset keeps open: each holds up to five files, and a process may hold 1024, or 256 on macOS."""


class Dataset(ABC):
    """A set of scans in splits, and the pairs made of them. All scans share ``shape`` and ``spacing_mm``.

    A subclass lists its scans when it is opened (quick) and yields the arrays of one scan in ``_arrays`` (cached).
    No pair holds two scans of one subject, unless ``within_subjects``: then every pair does.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    licence: ClassVar[str]
    download: ClassVar[str] = ""
    """What to download, and from whom."""
    layout: ClassVar[str] = ""
    """How the files lie in the folder that ``--data`` names; empty for a set without files."""
    variants: ClassVar[tuple[str, ...]] = ()
    """Names of the layouts that ``example`` writes, where there are several; the first is its default."""
    official_subjects: ClassVar[int] = 0
    """How many subjects the whole set has, where that is known."""
    brains: bool = False
    """Whether its images show brains, whose skulls should be removed."""
    synthetic: ClassVar[bool] = False
    companions: ClassVar[frozenset[str]] = frozenset()
    """Names, or patterns of names, of the files that lie beside images and labels in the data set's layout."""
    within_subjects: bool = False
    masked: frozenset[str] = frozenset()
    """What masks limit beside regularity, see ``fusemorph.data.masked``."""
    tre_reading: ClassVar[Literal["linear", "cubic"]] = "linear"  # how displacements are read at landmarks

    def __init__(
        self,
        *,
        members: Mapping[str, Mapping[str, str]],
        shape: tuple[int, ...],
        spacing_mm: tuple[float, ...],
        labels: Mapping[int, str],
        settings: Mapping[str, Any],
        cache: Path | None,
    ) -> None:
        """``members``: for each split the subject of each scan id, in the order of evaluation pairs."""
        check_subjects(members)
        if problem := grid_problem(shape):
            raise ValueError(f"{self.name}: 'shape' must be smaller: {problem}")
        self._members = {split: dict(subjects) for split, subjects in members.items() if subjects}
        self._subject = {scan_id: subject for subjects in members.values() for scan_id, subject in subjects.items()}
        self._opened: dict[str, dict[str, np.ndarray]] = {}
        self._cache = cache_folder(cache)
        self.shape, self.spacing_mm = shape, spacing_mm
        self.labels, self.settings = dict(labels), dict(settings)
        self._hidden: frozenset[str] = frozenset()
        self.give: Callable[[str], np.ndarray | None] | None = None
        self._selection: Dataset | None = None
        self._atlas: str | None = None
        train, least = set(self._members.get("train", {}).values()), 1 if self.within_subjects else 2
        if len(train) < least:
            raise DataError(f"{self.name}: train must hold at least {least} subjects, got {len(train)}")

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that hold scans here, among train, val, test."""
        return tuple(self._members)

    def scan_ids(self, split: str) -> tuple[str, ...]:
        """Ids of the scans of a split, in a fixed order."""
        if split not in self._members:
            absent = "; ".join(self.missing(split))
            raise ValueError(f"scan_ids(): 'split' must be among {list(self.splits)}, got {split!r}. {absent}".strip())
        return tuple(self._members[split])

    def subject(self, scan_id: str) -> str:
        """The subject whom a scan shows."""
        if scan_id not in self._subject:
            raise ValueError(f"subject(): 'scan_id' must be a scan of {self.name}, got {scan_id!r}")
        return self._subject[scan_id]

    @property
    def labelled_subjects(self) -> tuple[str, ...]:
        """The subjects of train whose labels training may see, in the order of ``fusemorph.data.labelled``."""
        return tuple(subject for subject in self._subjects_with_labels() if subject not in self._hidden)

    def _subjects_with_labels(self) -> tuple[str, ...]:
        train = self._members["train"]
        without = {subject for scan_id, subject in train.items() if not self.has_labels(scan_id)}
        return in_order(set(train.values()) - without)

    def has_labels(self, scan_id: str) -> bool:
        """Whether there are labels of a scan, hidden or not; known without reading it."""
        return bool(self.labels)

    def with_labelled(self, labelled: Any) -> "Dataset":
        """The same data with labels of train hidden but those of ``labelled``: a number, a share or a list of subjects.

        Val and test keep theirs. The setting is written as a number or a list of subjects, and not if all are labelled.

        Raises:
            ValueError: as ``choose_labelled``.
        """
        having, subjects = self._subjects_with_labels(), set(self._members["train"].values())
        chosen = choose_labelled(labelled, having=having, subjects=subjects, dataset=self.name)
        seen = copy(self)
        seen._hidden = frozenset(subjects - set(chosen)) if set(chosen) != set(having) else frozenset()
        seen.settings = {name: value for name, value in self.settings.items() if name != LABELLED}
        if seen._hidden:
            seen.settings[LABELLED] = len(chosen) if chosen == having[: len(chosen)] else list(chosen)
        return seen

    @property
    def selection(self) -> "Dataset":
        """The data set whose val pairs select: this one, unless ``selecting_on`` has named another."""
        return self._selection or self

    def selecting_on(self, other: "Dataset") -> "Dataset":
        """The same data, trained on as they are, with the val pairs of another set to select on.

        Raises:
            ValueError: its images have another number of axes.
        """
        if len(other.shape) != len(self.shape):
            raise ValueError(f"{other.name} has {len(other.shape)}-D images, {self.name} has {len(self.shape)}-D ones")
        selecting = copy(self)
        selecting._selection = other
        return selecting

    def missing(self, split: str) -> tuple[str, ...]:
        """Messages about what is missing here of the official split; empty when it is complete."""
        return () if split in self._members else (f"{self.name} has no split {split!r} here",)

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """The evaluation pairs of a split: i-th scan with i-th from last, both ways, less pairs of one subject.

        Within subjects: every ordered pair of a subject's scans. With an atlas: the atlas with each scan of others,
        whose blocks are the moving subjects, since the fixed image is the same for all.
        """
        if (atlas := self._atlas) is not None:
            moving = [scan_id for scan_id in self.scan_ids(split) if self.subject(scan_id) != self.subject(atlas)]
            return self._index(split, [(atlas, scan_id) for scan_id in moving])
        pairing = pairs_within if self.within_subjects else mirrored_pairs
        return self._index(split, pairing(self.scan_ids(split), self.subject))

    def with_atlas(self, atlas: Any) -> "Dataset":
        """The same data for atlas-based registration: one scan of train is the fixed image of every pair.

        Raises:
            ValueError: it is no scan of train, or the data set has pairs of its own: within subjects, or declared.
        """
        train = self._members["train"]
        if not isinstance(atlas, str) or atlas not in train:
            raise ValueError(
                f"{self.name}: 'atlas' must be a scan of train, such as {next(iter(train))}, got {atlas!r}"
            )
        fixed = copy(self)
        fixed._atlas = atlas
        declared = any(pair.fixed != atlas for split in self.splits for pair in fixed.pairs(split))
        if self.within_subjects or declared:
            raise ValueError(f"{self.name}: 'atlas' needs pairs between subjects, which no table or setting declares")
        return fixed

    def pair(self, index: PairIndex) -> Pair:
        """The scans behind an index, with the true displacement where the dataset knows it."""
        fixed, moving = self.scan(index.fixed), self.scan(index.moving)
        return Pair(split=index.split, fixed=fixed, moving=moving, block=index.block)

    def training_pair(self, rng: np.random.Generator) -> Pair:
        """An ordered pair of scans of different subjects, drawn uniformly from ``train`` (no true displacement).

        Within subjects: one of the ordered pairs that train has; with an atlas, one of those with the atlas.
        """
        if self.within_subjects or self._atlas is not None:
            return self._drawn_pair(rng)
        ids = self.scan_ids("train")
        while True:
            fixed, moving = (ids[i] for i in rng.integers(len(ids), size=2))
            if self.subject(fixed) != self.subject(moving):
                return Pair(split="train", fixed=self.scan(fixed), moving=self.scan(moving), block="")

    def _drawn_pair(self, rng: np.random.Generator) -> Pair:
        index = self._train_pairs[rng.integers(len(self._train_pairs))]
        return Pair(split="train", fixed=self.scan(index.fixed), moving=self.scan(index.moving), block="")

    @cached_property
    def _train_pairs(self) -> tuple[PairIndex, ...]:
        return self.pairs("train")

    def scan(self, scan_id: str) -> Scan:
        """One preprocessed scan, memory-mapped from the cache (made at the first call).

        The ``OPEN_SCANS`` used last stay open here; others for as long as the caller holds them.
        """
        subject = self.subject(scan_id)
        arrays = self._opened.pop(scan_id, None) or self._arrays(scan_id)
        self._opened[scan_id] = arrays
        if len(self._opened) > OPEN_SCANS:
            del self._opened[next(iter(self._opened))]
        return Scan(
            id=scan_id, subject=subject, image=arrays["image"], affine=arrays["affine"], spacing_mm=self.spacing_mm,
            labels=None if subject in self._hidden else arrays.get("labels"),
            given=self.give(scan_id) if self.give else None,
            landmarks=arrays.get("landmarks"), mask=arrays.get("mask"), masked=self.masked,
        )  # fmt: skip

    def prepare(self, *, progress: bool = False) -> None:
        """Read, check and cache every scan, several at a time, with a progress bar on request; none stays open.

        Raises:
            DataError: an unusable file, named.
            StorageError: the cache cannot be written.
        """
        prepare_all(self._arrays, list(self._subject), title=f"preparing {self.name}", progress=progress)

    def fingerprint(self) -> str:
        """sha256 of what training and selection see: the contents behind train and val, never those of test."""
        parts: dict[str, list[Any]] = {
            split: [
                self._selected(split),
                {scan_id: [subject, self._content(scan_id)] for scan_id, subject in self._members[split].items()},
            ]
            for split in self.splits
            if split != "test"
        }
        if self._hidden:
            parts["labelled"] = list(self.labelled_subjects)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def configuration(self) -> dict[str, Any]:
        """Name, fingerprint and settings: what the key of a trial says of its data."""
        selection = {SELECT_ON: self._selection.configuration()} if self._selection else {}
        atlas = {ATLAS: self._atlas} if self._atlas else {}
        return {"name": self.name, "fingerprint": self.fingerprint(), **self.settings, **atlas, **selection}

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image file of a scan, then its label file where there is one; none for made-up scans."""
        return ()

    def beside(self, scan_id: str) -> Mapping[str, Path]:
        """Other files of a scan: its ``landmarks`` and its ``mask``, where it has them."""
        return {}

    def folders(self) -> tuple[Path, ...]:
        """The folders that hold this data set and nothing else, whose files ``check`` accounts for."""
        return ()

    def excluded(self) -> Mapping[Path, str]:
        """Images that are there but not used, with the reason of each."""
        return {}

    def _selected(self, split: str) -> Any:
        """What chooses the pairs of a split beyond its scans, for the fingerprint."""
        return []

    def _index(self, split: str, pairs: list[tuple[str, str]]) -> tuple[PairIndex, ...]:
        ends = [(self.subject(moving if self._atlas else fixed), self.subject(moving)) for fixed, moving in pairs]
        blocks = connected_blocks(ends)
        return tuple(
            PairIndex(split=split, fixed=fixed, moving=moving, block=block)
            for (fixed, moving), block in zip(pairs, blocks, strict=True)
        )

    @staticmethod
    @abstractmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write a few small made-up files in this dataset's layout; ``open_dataset`` takes what is returned.

        The contract tests run on it, with all three splits.
        """

    @abstractmethod
    def _arrays(self, scan_id: str) -> dict[str, np.ndarray]:
        """``image``, ``affine``, and ``labels`` where there are any, from the cache."""

    @abstractmethod
    def _content(self, scan_id: str) -> Any:
        """What identifies a scan's arrays: digests of its files and the version of the preprocessing."""
