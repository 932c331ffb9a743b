"""Buckner40: T1 brains with FreeSurfer's labels, in a folder of FreeSurfer's subjects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing, freesurfer_labels
from fusemorph.data.listing import Listed, Listing
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import Layout, find_images, partner, require_partners

SEGMENTATIONS = ("aseg", "aparc+aseg")
ENDING = r"\.(?:mgz|nii|nii\.gz)"


@dataclass(frozen=True, kw_only=True)
class BucknerSettings(BrainSettings):
    """``segmentation``: ``aseg``, or ``aparc+aseg`` with the regions of the cortex; else as ``BrainSettings``."""

    dataset: ClassVar[str] = "buckner"
    segmentation: str = "aseg"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segmentation not in SEGMENTATIONS:
            choices = ", ".join(SEGMENTATIONS)
            raise ValueError(f"buckner: 'segmentation' must be one of {choices}, got {self.segmentation!r}")


class Buckner(BrainDataset):
    """A subjects folder of FreeSurfer, of Buckner40 or any other: ``SUBJECT/mri/{norm, aseg, aparc+aseg}.mgz``.

    ``norm`` has no skull. Each folder is a subject; ``fsaverage`` and its kin are none. Splits are drawn by subject.
    """

    name = "buckner"
    title = "Buckner40, or another folder of FreeSurfer's subjects: T1 brains with FreeSurfer's labels"
    source = "Fischl et al. 2002, Neuron 33:341; FreeSurfer's training set of 40 brains (R. Buckner)"
    licence = "not public; that of the folder"
    download = "nothing public: ask the Martinos Center, or process images of your own with FreeSurfer's recon-all"
    layout = "SUBJECT/mri/{norm, aseg, aparc+aseg}.mgz"
    companions = frozenset({"*"})
    settings_kind = BucknerSettings

    def _listed(self, folder: Path, options: BucknerSettings, cache: Path) -> Listing:
        layout = Layout(name="FreeSurfer", pattern=rf"(?P<subject>(?!fsaverage)[^/]+)/mri/norm{ENDING}")
        found = find_images(folder, (layout,), dataset=self.name)
        segmentation = options.segmentation.replace("+", r"\+")
        labels = Layout(name="labels", pattern=rf"(?!fsaverage)[^/]+/mri/{segmentation}{ENDING}")

        names = ("norm", options.segmentation)
        require_partners(folder, found, names=names, layout=labels)
        scans = [
            Listed(image=image.path, labels=partner(image.path, names), subject=image["subject"]) for image in found
        ]
        return brain_listing(self.name, folder, scans, options, layout=layout.name)

    def _names(self, folder: Path, options: BucknerSettings) -> dict[int, str]:
        return freesurfer_labels()

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Eight subjects as FreeSurfer stores them, beside fsaverage."""
        rng = np.random.default_rng(0)
        for subject in (*(f"subject{number:02d}" for number in range(8)), "fsaverage"):
            mri = folder / subject / "mri"
            values = (2, 17, 41, 53)
            write_phantom(mri / "norm.mgz", mri / "aseg.mgz", rng=rng, values=values, axes="LIA", stripped=True)
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
