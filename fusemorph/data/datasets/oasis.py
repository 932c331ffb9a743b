"""OASIS-1 as the project neurite has prepared it: aligned brains with 35 structures, and one slice of each with 24."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing
from fusemorph.data.errors import DataError
from fusemorph.data.listing import Listed, Listing
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import Layout, find_images, partner, require_partners

IMAGES = {False: ("aligned_norm", "aligned_seg35"), True: ("slice_norm", "slice_seg24")}
COUNTS = {False: 35, True: 24}


@dataclass(frozen=True, kw_only=True)
class OasisSettings(BrainSettings):
    """``slices``: the coronal slice of each brain (2-D) in place of the brain.

    The brains are aligned as they come, at 1 mm on a grid of their own: by default nothing is aligned (``align``),
    ``spacing_mm`` is 1, and ``shape`` all of their grid. Beside that as ``BrainSettings``.
    """

    dataset: ClassVar[str] = "oasis"
    spacing_mm: float = 1.0
    align: str = "none"
    slices: bool = False

    @property
    def dimensions(self) -> int:
        """Two of slices."""
        return 2 if self.slices else 3


class Oasis(BrainDataset):
    """``OASIS_OAS1_0001_MR1/{aligned_norm, aligned_seg35, slice_norm, slice_seg24}.nii.gz`` of neurite-oasis.

    Structures have the names that ``seg35_labels.txt`` and ``seg24_labels.txt`` of the download give, else numbers.
    Splits are drawn by subject, the number after ``OAS1``.
    """

    name = "oasis"
    title = "OASIS-1 prepared by neurite: aligned T1 brains with 35 structures, or slices with 24"
    source = "Marcus et al. 2007, J. Cogn. Neurosci. 19:1498; Hoopes et al. 2021; github.com/adalca/medical-datasets"
    licence = "terms of OASIS (oasis-brains.org): open for research, to be cited"
    download = "neurite-oasis.v1.0.tar (or neurite-oasis.2d.v1.0.tar) from github.com/adalca/medical-datasets, unpacked"
    layout = "OASIS_OAS1_0001_MR1/{aligned_norm, aligned_seg35, slice_norm, slice_seg24}.nii.gz, seg35_labels.txt"
    official_subjects = 414
    keeps_grid = True
    companions = frozenset({"*_labels.txt", "subjects.txt", "README*", "*norm.nii.gz", "*orig.nii.gz", "*seg*.nii.gz"})
    settings_kind = OasisSettings

    def _listed(self, folder: Path, options: OasisSettings, cache: Path) -> Listing:
        image, labels = IMAGES[options.slices]
        # Source: the folders of neurite-oasis.v1.0, as public loaders name them.
        scan = r"(?P<subject>(?:OASIS_)?OAS1_[0-9]{4})_MR(?P<session>[0-9])"
        found = find_images(
            folder, (Layout(name="neurite", pattern=rf"{scan}/{image}\.nii(?:\.gz)?"),), dataset=self.name
        )
        maps = Layout(name="labels", pattern=rf"{scan}/{labels}\.nii(?:\.gz)?")
        require_partners(folder, found, names=(image, labels), layout=maps)
        scans = [
            Listed(
                image=file.path,
                labels=partner(file.path, (image, labels)),
                subject=file["subject"].removeprefix("OASIS_"),
                visit=f"MR{file['session']}",
            )
            for file in found
        ]
        return brain_listing(self.name, folder, scans, options, layout="neurite")

    def _names(self, folder: Path, options: OasisSettings) -> dict[int, str]:
        return _names(folder, IMAGES[options.slices][1].rpartition("_")[2], COUNTS[options.slices])

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Eight subjects, one scanned twice, each with its slice; names of the 35 structures."""
        rng = np.random.default_rng(0)
        for number, session in [*((number, 1) for number in range(1, 9)), (1, 2)]:
            scan = folder / f"OASIS_OAS1_{number:04d}_MR{session}"
            for slices, shape in ((False, (20, 24, 20)), (True, (20, 24))):
                image, labels = (scan / f"{name}.nii.gz" for name in IMAGES[slices])
                write_phantom(image, labels, rng=rng, shape=shape, label_count=4, stripped=True)
        lines = [f"{value} Structure-{value} 120 18 134 0" for value in range(36)]
        (folder / "seg35_labels.txt").write_text("\n".join(lines) + "\n")
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 24, 24]}


def _names(folder: Path, segmentation: str, count: int) -> dict[int, str]:
    """The names of the structures in the download's table, whose lines are of the form ``1 Name R G B A``."""
    for table in (folder / f"{segmentation}_labels.txt", folder.parent / f"{segmentation}_labels.txt"):
        if table.exists():
            try:
                lines = table.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{table}: cannot be read as text ({error})") from error
            found = dict(re.findall(r"^\s*([0-9]+)\s+(\S+)", "\n".join(lines), flags=re.MULTILINE))
            if missing := [value for value in range(1, count + 1) if str(value) not in found]:
                raise DataError(f"{table}: must name the structures 1 to {count}, lacks {missing[0]}")
            return {value: found[str(value)].replace("-", " ").lower() for value in range(1, count + 1)}
    return {value: str(value) for value in range(1, count + 1)}
