"""What data sets of brains share: one fixed grid for all, so that networks and figures carry over between them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.configuration import LATER
from fusemorph.data.cache import cache_folder
from fusemorph.data.curation import TABLES, curated
from fusemorph.data.header import Header
from fusemorph.data.listed import ListedDataset
from fusemorph.data.listing import FRACTIONS, Listed, Listing, with_drawn_splits
from fusemorph.data.nifti import by_rule, read_header
from fusemorph.data.preprocess import Volume, background, centred_start, orient, resampling
from fusemorph.data.settings import (
    canonical,
    check_fractions,
    check_percentiles,
    check_seed,
    check_shape,
    read_protocol,
)
from fusemorph.data.table import read_table

FIELD_OF_VIEW_MM = (160.0, 224.0, 160.0)
PROTOCOLS = {"paper": {"spacing_mm": 1.0, "shape": (144, 192, 160), "align": "mni"}}


@dataclass(frozen=True, kw_only=True)
class BrainSettings:
    """``spacing_mm`` of all axes: 2, or 1 as most were acquired. ``shape``: by default 160x224x160 mm.

    ``align``: as in ``FileDataset``; with ``none``, each brain's centre of mass lies in the middle of the grid, to the
    nearest voxel. ``seed`` and ``fractions`` (train, val, test) draw the split of each subject. ``protocol``: ``paper``
    for an affine step to MNI152 and 144x192x160 at 1 mm, where nothing else is said.
    """

    dataset: ClassVar[str] = "brains"
    spacing_mm: float = 2.0
    shape: tuple[int, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)
    align: str = "affine"
    seed: int = 0
    fractions: tuple[float, ...] = FRACTIONS
    protocol: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if not self.spacing_mm > 0:
            raise ValueError(f"{self.dataset}: 'spacing_mm' must be positive, got {self.spacing_mm}")
        if self.shape is not None:
            check_shape(self.dataset, self.shape, dimensions=self.dimensions)
        check_percentiles(self.dataset, self.percentiles)
        check_fractions(self.dataset, self.fractions)
        check_seed(self.dataset, self.seed)

    @property
    def dimensions(self) -> int:
        """Of the images."""
        return 3


class BrainDataset(ListedDataset):
    """Scans of brains on one grid that does not depend on them; label values beside the known ones become 0.

    ``settings_kind``: the class of its settings. ``keeps_grid``: the images are aligned in their own grids, whose
    middle is that of the common one, and whose shape it has by default; else its middle is the brain's centre of mass.
    """

    alignments = ("none", "affine", "mni")
    brains = True
    strays = True
    settings_kind: ClassVar[type[BrainSettings]] = BrainSettings
    keeps_grid: bool = False

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_protocol(self.settings_kind, settings, dataset=self.name, protocols=PROTOCOLS)
        if data is None:
            raise ValueError(f"open_dataset(): 'data' must be the folder of {self.name} ({self.download}), got None")
        listing, labels = self._listed(data, options, cache_folder(cache)), self._names(data, options)
        spacing_mm = float(options.spacing_mm)
        shape = options.shape or self._default_shape(listing, spacing_mm)
        self.allowed_labels = tuple(labels)
        written = canonical(options) | {"shape": list(shape)}
        super().__init__(
            listing,
            folders=[data],
            shape=tuple(shape),
            spacing_mm=(spacing_mm,) * options.dimensions,
            labels=labels,
            settings=written,
            align=options.align,
            percentiles=options.percentiles,
            cache=cache,
        )
        self.settings = written  # with align=none, which is not the default here as it is in older sets

    @abstractmethod
    def _listed(self, folder: Path, options: Any, cache: Path) -> Listing:
        """The scans of a folder, most often by ``brain_listing``."""

    def _names(self, folder: Path, options: Any) -> dict[int, str]:
        """The names of the labels; none of a set without labels."""
        return {}

    def _default_shape(self, listing: Listing, spacing_mm: float) -> tuple[int, ...]:
        """What the field of view has, or where the images keep their grid, that of the first one."""
        if not self.keeps_grid:
            return tuple(round(side / spacing_mm) for side in FIELD_OF_VIEW_MM)
        shape, native_mm = canonical_grid(by_rule(read_header(next(iter(listing.scans.values())).image)))
        return resampling(shape, native_mm, [spacing_mm] * len(shape))[2]

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        if self.keeps_grid:
            return centred_start(image.array.shape, self.shape)
        centre = np.argwhere(image.array > background(image.array)).mean(axis=0)
        return tuple(np.rint(centre - (np.asarray(self.shape) - 1) / 2).astype(int).tolist())

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        settings = {name: self.settings[name] for name in ("shape", "spacing_mm", "percentiles")}
        return {**settings, "keeps_grid": self.keeps_grid}


def canonical_grid(header: Header) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Shape and spacing in mm of an image once it is turned as ``canonical`` turns it."""
    orientation, affine, axes = orient(header)
    sides = dict(zip(orientation[:, 0].astype(int).tolist(), (*header.shape, 1)[:3], strict=True))
    return tuple(sides[axis] for axis in axes), tuple(np.linalg.norm(affine[:3, :3], axis=0)[axes].tolist())


def brain_listing(
    dataset: str, folder: Path, candidates: Sequence[Listed], options: BrainSettings, *, layout: str
) -> Listing:
    """The curated scans of a set without a split of its own, with a drawn split for each subject.

    Raises:
        DataError: too few subjects in the folder.
    """
    scans, left_out = curated(dataset, candidates)
    drawn = with_drawn_splits(scans, folder=folder, seed=options.seed, fractions=options.fractions)
    return Listing(scans=drawn, layout=layout, excluded=left_out)


def freesurfer_labels(values: Sequence[int] | None = None) -> dict[int, str]:
    """The names of FreeSurfer's labels (of ``aseg`` and the cortex), or of some of them.

    Source: FreeSurferColorLUT.txt.
    """
    rows = read_table(TABLES / "freesurfer.csv", required=("label", "name"), allowed=("label", "name"))
    names = {int(row["label"]): row["name"] for row in rows}
    return names if values is None else {value: names[value] for value in values}
