"""NIfTI images and labels of your own, 2-D or 3-D, paired between subjects or within them."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.dataset import Pair, PairIndex
from fusemorph.data.folder_listing import list_folder
from fusemorph.data.listed import MeasuredDataset
from fusemorph.data.listing import FRACTIONS, Listing
from fusemorph.data.phantom import write_phantom
from fusemorph.data.settings import canonical, check_percentiles, check_seed, read_settings
from fusemorph.data.table import raise_all


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """How a folder is read; what is None is measured on the files.

    ``task``: ``inter`` pairs different subjects, ``intra`` the images of one subject. ``spacing_mm``: the median of
    train and val. ``shape``: the smallest that holds every foreground box. ``foreground``: ``labels``, or ``image``
    (voxels above the image's minimum, and labels); a grid lies around its centre, in ``intra`` around that of all
    images of the subject. Measured: ``labels`` within subjects, ``image`` between them, where the centre of labels
    would give away the answer. ``seed`` and ``fractions`` (train, val, test) draw splits where no table names them.
    Images with fewer than ``smallest_side`` voxels along an axis are refused; a smaller number lets them be padded.
    ``align``: as in ``FileDataset``.
    """

    task: str = "inter"
    spacing_mm: tuple[float, ...] | None = None
    shape: tuple[int, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)
    foreground: str | None = None
    seed: int = 0
    fractions: tuple[float, ...] = FRACTIONS
    smallest_side: int = SMALLEST_SIDE
    align: str = "none"

    def __post_init__(self) -> None:
        if self.task not in ("inter", "intra"):
            raise ValueError(f"folder: 'task' must be 'inter' or 'intra', got {self.task!r}")
        if self.foreground not in (None, "image", "labels"):
            raise ValueError(f"folder: 'foreground' must be 'image' or 'labels', got {self.foreground!r}")
        check_percentiles("folder", self.percentiles)
        if len(self.fractions) != 3 or min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"folder: 'fractions' must be three parts of 1, got {self.fractions}")
        check_seed("folder", self.seed)
        if self.smallest_side < 1:
            raise ValueError(f"folder: 'smallest_side' must be 1 or more, got {self.smallest_side}")


class Folder(MeasuredDataset):
    """Images in ``images/`` and their labels under the same names in ``labels/``, or both named in ``pairs.csv``.

    ``splits.csv`` (or ``scans.csv``) has columns ``image``, and ``person`` (the subject) and ``split`` where known.
    ``pairs.csv`` has ``fixed``, ``moving``, and where known ``fixed_labels``, ``moving_labels``, ``fixed_person``,
    ``moving_person``, ``split``, ``block``; its pairs are the only ones then, for training too. Labels may be absent
    altogether.
    """

    name = "folder"
    title = "Images of a folder"
    source = "files of the user"
    licence = "that of the files"
    companions = frozenset({"pairs.csv", "splits.csv", "scans.csv"})

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(FolderSettings, settings, dataset=self.name)
        if data is None:
            raise ValueError("open_dataset(): 'data' must be a folder with images/ or pairs.csv, got None")
        listing = _listed(Path(data), options)
        intra = self.within_subjects = options.task == "intra"
        self.smallest_side = options.smallest_side
        foreground = _foreground(listing, options)
        super().__init__(
            listing,
            folders=[Path(data)],
            # One window a scan between subjects, one a subject within them.
            groups={scan_id: scan.subject if intra else scan_id for scan_id, scan in listing.scans.items()},
            foreground=foreground,
            spacing_mm=options.spacing_mm,
            shape=options.shape,
            settings=canonical(options) | {"foreground": foreground},
            align=options.align,
            percentiles=options.percentiles,
            cache=cache,
        )

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """The listed pairs; else as in ``Dataset``."""
        if not self.listing.pairs:
            return super().pairs(split)
        self.scan_ids(split)  # refuses an unknown split
        listed = [pair for pair in self.listing.pairs if pair.split == split]
        indices = self._index(split, [(pair.fixed, pair.moving) for pair in listed])
        return tuple(
            replace(index, block=pair.block or index.block) for index, pair in zip(indices, listed, strict=True)
        )

    def training_pair(self, rng: np.random.Generator) -> Pair:
        """Drawn uniformly from the listed pairs; else as in ``Dataset``."""
        return self._drawn_pair(rng) if self.listing.pairs else super().training_pair(rng)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Images and labels of eight subjects at two spacings, one of them seen twice, with ``splits.csv``."""
        rng = np.random.default_rng(0)
        people = {"train": ["a", "a", "b", "c"], "val": ["d", "e", "f"], "test": ["g", "h"]}
        rows = ["image,person,split"]
        for split, subjects in people.items():
            for number, subject in enumerate(subjects):
                image, labels = (folder / part / f"{split}{number}.nii.gz" for part in ("images", "labels"))
                write_phantom(image, labels, rng=rng, spacing_mm=1.0 + number % 2 / 4)
                rows.append(f"{image.name},{subject},{split}")
        (folder / "splits.csv").write_text("\n".join(rows))
        return {"data": folder}

    def _selected(self, split: str) -> Any:
        return [[pair.name, pair.block] for pair in self.pairs(split)] if self.listing.pairs else []


def _listed(folder: Path, options: FolderSettings) -> Listing:
    listing = list_folder(folder, task=options.task, seed=options.seed, fractions=options.fractions)
    subjects = Counter(listed.subject for listed in listing.scans.values())
    if options.task == "intra" and not listing.pairs:
        single = [str(listed.image) for listed in listing.scans.values() if subjects[listed.subject] == 1]
        if single:
            rule = "the only image of its subject; pairs within subjects (task 'intra') need two, named in splits.csv"
            raise_all(f"{image}: is {rule}" for image in single)
    return listing


def _foreground(listing: Listing, options: FolderSettings) -> str:
    labelled = any(scan.labels for scan in listing.scans.values())
    return options.foreground or ("labels" if options.task == "intra" and labelled else "image")
