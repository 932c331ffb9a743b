"""NIfTI images and labels of your own, 2-D or 3-D, paired between subjects or within them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.configuration import LATER
from fusemorph.data.dataset import Pair, PairIndex
from fusemorph.data.folder_listing import list_folder
from fusemorph.data.listing import require_pairs_within
from fusemorph.data.measured import MeasuredDataset, MeasuredSettings, arguments_of
from fusemorph.data.phantom import write_phantom
from fusemorph.data.settings import read_settings


@dataclass(frozen=True, kw_only=True)
class FolderSettings(MeasuredSettings):
    """``unlabelled``: images of train may lack labels that others have. Beside that as ``MeasuredSettings``."""

    unlabelled: bool = field(default=False, metadata=LATER)


class Folder(MeasuredDataset):
    """Images in ``images/`` and their labels under the same names in ``labels/``, or both named in ``pairs.csv``.

    ``landmarks/NAME.csv`` or ``.json`` (see ``fusemorph.data.landmarks``; the same points in the same order in both
    images of a pair) and ``masks/NAME.nii.gz`` may lie beside them.
    ``splits.csv`` (or ``scans.csv``) has columns ``image``, and ``person`` (the subject) and ``split`` where known.
    ``pairs.csv`` has ``fixed``, ``moving``, and where known ``fixed_labels``, ``fixed_landmarks``, ``fixed_mask``,
    ``fixed_person``, the same of ``moving``, ``split``, ``block``; its pairs are the only ones then, for training too.
    Labels may be absent altogether.
    """

    name = "folder"
    title = "Images of a folder"
    source = "files of the user"
    licence = "that of the files"
    download = "nothing: images of your own"
    layout = "{images, labels, masks}/NAME.nii.gz, landmarks/NAME.csv and splits.csv, or pairs.csv"
    alignments = ("none", "affine", "mni")
    companions = frozenset({"pairs.csv", "splits.csv", "scans.csv"})
    landmarks_beside = False

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(FolderSettings, settings, dataset=self.name)
        if data is None:
            raise ValueError("open_dataset(): 'data' must be a folder with images/ or pairs.csv, got None")
        listing = list_folder(
            Path(data), task=options.task, seed=options.seed, fractions=options.fractions,
            unlabelled=options.unlabelled,
        )  # fmt: skip
        if options.task == "intra" and not listing.pairs:
            require_pairs_within(listing.scans, "two, named in splits.csv")
        self.within_subjects = options.task == "intra"
        self.smallest_side = options.smallest_side
        super().__init__(listing, folders=[Path(data)], **arguments_of(listing, options), cache=cache)

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
        subjects_of = {"train": ["a", "a", "b", "c"], "val": ["d", "e", "f"], "test": ["g", "h"]}
        rows = ["image,person,split"]
        for split, subjects in subjects_of.items():
            for number, subject in enumerate(subjects):
                image, labels = (folder / part / f"{split}{number}.nii.gz" for part in ("images", "labels"))
                write_phantom(image, labels, rng=rng, spacing_mm=1.0 + number % 2 / 4)
                rows.append(f"{image.name},{subject},{split}")
        (folder / "splits.csv").write_text("\n".join(rows))
        return {"data": folder}

    def _selected(self, split: str) -> Any:
        return [[pair.name, pair.block] for pair in self.pairs(split)] if self.listing.pairs else []
