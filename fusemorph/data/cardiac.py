"""What data sets of cine MRI share: end-diastole and end-systole of each patient, registered within the patient."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.configuration import LATER
from fusemorph.data.dataset import PairIndex
from fusemorph.data.listing import Listing
from fusemorph.data.measured import MeasuredDataset
from fusemorph.data.pairing import pairs_within
from fusemorph.data.settings import canonical, check_percentiles, check_shape

PHASES = ("ED", "ES")
LABELS = {1: "right ventricle", 2: "myocardium", 3: "left ventricle"}
"""The one numbering of all cardiac sets, that of ACDC."""
PROTOCOLS = {"paper": {"spacing_mm": (1.5, 1.5, 3.15), "shape": (128, 128, 32)}}


@dataclass(frozen=True, kw_only=True)
class CardiacSettings:
    """``shape``: the grid around the box of a patient's labels in both phases; an error where it would lose any.

    128x128x16 leaves a margin in the plane around the largest heart (111 voxels across in patients 1 to 30 of ACDC),
    and its sides are what networks with four halvings take as they are. ``spacing_mm``: by default the median of train
    and val. ``align``: as in ``FileDataset``, here ES to ED of each patient. ``protocol``: ``paper`` for
    1.5x1.5x3.15 mm and 128x128x32, where nothing else is said.
    """

    dataset: ClassVar[str] = "acdc"
    shape: tuple[int, ...] = (128, 128, 16)
    spacing_mm: tuple[float, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)
    align: str = "none"
    protocol: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        check_shape(self.dataset, self.shape, dimensions=3)
        if self.spacing_mm is not None and (len(self.spacing_mm) != 3 or not min(self.spacing_mm) > 0):
            raise ValueError(f"{self.dataset}: 'spacing_mm' must be 3 positive numbers, got {self.spacing_mm}")
        check_percentiles(self.dataset, self.percentiles)


class CardiacDataset(MeasuredDataset):
    """Scans called ``PATIENT_ED`` and ``PATIENT_ES``; one window a patient, around the labels of both phases.

    Where the heart lies says nothing of how it moves. Labels that the setting ``labelled`` hides place the window all
    the same: the field of view is part of the data. Slices stay thick, since nothing between them was seen.
    """

    within_subjects = True
    without_spacing = "all headers say 1x1x1 mm, as in copies that have lost their spacing: millimetres count voxels"
    allowed_labels = tuple(LABELS)
    smallest_side = (SMALLEST_SIDE, SMALLEST_SIDE, 2)

    def __init__(
        self, listing: Listing, options: CardiacSettings, *, folders: Sequence[Path], cache: Path | None
    ) -> None:
        super().__init__(
            listing,
            folders=folders,
            groups={scan_id: _patient(scan_id) for scan_id in listing.scans},
            foreground="labels",
            dimensions=3,
            spacing_mm=options.spacing_mm,
            shape=options.shape,
            labels=LABELS,
            settings=canonical(options),
            align=options.align,
            percentiles=options.percentiles,
            cache=cache,
        )

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """ED and ES of each patient, both ways; two readings of one scan are not mixed, but are one block."""
        return self._index(split, pairs_within(self.scan_ids(split), _patient))


def _patient(scan_id: str) -> str:
    return scan_id.rpartition("_")[0]
