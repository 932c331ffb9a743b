"""IXI: brains of healthy volunteers from three hospitals in London, without labels."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing
from fusemorph.data.listing import Listed, Listing
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import Layout, bids, find_images, runs_in_order

SUFFIXES = {"T1": "T1w", "T2": "T2w", "PD": "PDw", "MRA": "angio"}
"""The modalities, and what BIDS calls them."""


@dataclass(frozen=True, kw_only=True)
class IxiSettings(BrainSettings):
    """``modality``: which images of the download are read, all of one kind; beside that as ``BrainSettings``."""

    dataset: ClassVar[str] = "ixi"
    modality: str = "T1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.modality not in SUFFIXES:
            raise ValueError(f"ixi: 'modality' must be one of {', '.join(SUFFIXES)}, got {self.modality!r}")


class Ixi(BrainDataset):
    """Files ``IXI002-Guys-0828-T1.nii.gz`` in any folder (subject, hospital, number of the scan, modality), or BIDS.

    T1 is stored in sagittal slices, T2 and PD in axial ones: all are brought to the orientation nearest RAS as they are
    read. The spreadsheet is not used, in which 26 subjects stand twice and 15 of those with images do not stand. Splits
    are drawn by subject.
    """

    name = "ixi"
    title = "IXI, brains of healthy volunteers"
    source = "EPSRC GR/S21533/02, brain-development.org/ixi-dataset"
    licence = "CC BY-SA 3.0"
    download = "IXI-T1.tar from brain-development.org/ixi-dataset, unpacked; TransMorph's pickles are not read"
    layout = "IXI002-Guys-0828-T1.nii.gz, 581 of them, or BIDS (sub-IXI002)"
    variants = ("official", "BIDS")
    official_subjects = 581
    companions = frozenset({"IXI.xls", *(f"IXI*-{kind}.nii*" for kind in (*SUFFIXES, "DTI*"))})
    settings_kind = IxiSettings

    def _listed(self, folder: Path, options: IxiSettings, cache: Path) -> Listing:
        # Source: the names of the download, as public loaders read them (torchio.datasets.IXI), and as Clinica's
        # converter writes them in BIDS.
        name = rf"IXI(?P<subject>[0-9]+)-(?P<site>Guys|HH|IOP)-[0-9]+-{re.escape(options.modality)}\.nii(?:\.gz)?"
        layouts = (Layout(name="official", pattern=name), bids(SUFFIXES[options.modality]))
        found = runs_in_order(find_images(folder, layouts, dataset=self.name))
        scans = [
            Listed(image=image.path, subject=f"IXI{image['subject'].removeprefix('IXI')}", site=image["site"])
            for image in found
        ]
        return brain_listing(self.name, folder, scans, options, layout=found[0].layout)

    @staticmethod
    def example(folder: Path, layout: str = "official") -> dict[str, Any]:
        """Eight subjects of three hospitals, T1 in sagittal slices, one of them with axial T2."""
        rng = np.random.default_rng(0)
        for number, site in enumerate(("Guys", "HH", "IOP", "Guys", "HH", "IOP", "Guys", "HH"), start=2):
            subject = f"IXI{number:03d}"
            image = {
                "official": f"{subject}-{site}-08{number:02d}-T1.nii.gz",
                "BIDS": f"sub-{subject}/ses-M000/anat/sub-{subject}_ses-M000_T1w.nii.gz",
            }[layout]
            write_phantom(folder / image, rng=rng, axes="PSR")
        if layout == "official":
            write_phantom(folder / "IXI002-Guys-0802-T2.nii.gz", rng=rng, axes="LAS")
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
