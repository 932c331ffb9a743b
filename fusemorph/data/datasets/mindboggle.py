"""Mindboggle-101: T1 brains with 62 cortical regions labelled by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing, freesurfer_labels
from fusemorph.data.curation import wrong_headers
from fusemorph.data.listing import Listed, Listing, Reading
from fusemorph.data.phantom import write_phantom
from fusemorph.data.turned import true_axes
from fusemorph.data.walk import Found, Layout, find_images, partner, require_partners

NAMES = ("t1weighted_brain", "labels.DKT31.manual")
SPACES = {"native": "", "MNI152": ".MNI152"}
COHORTS = "OASIS-TRT-20|NKI-RS-22|NKI-TRT-20|MMRR-21|MMRR-3T7T-2|HLN-12|Twins-2|Colin27|Afterthought"
# DKT31: 31 regions a side. The files with +aseg hold strays beside them (1000, 1001, 1032, 1033, ...).
# Source: Klein and Tourville 2012, and labels.DKT31.manual as public loaders read it.
REGIONS = (2, 3, *range(5, 32), 34, 35)
LABELS = tuple(side + region for side in (1000, 2000) for region in REGIONS)


@dataclass(frozen=True, kw_only=True)
class MindboggleSettings(BrainSettings):
    """``space``: the images as acquired (``native``), or those that the set has in MNI152 by an affine map.

    Beside that as ``BrainSettings``.
    """

    dataset: ClassVar[str] = "mindboggle"
    space: str = "native"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.space not in SPACES:
            raise ValueError(f"mindboggle: 'space' must be one of {', '.join(SPACES)}, got {self.space!r}")


class Mindboggle(BrainDataset):
    """``COHORT_volumes/SUBJECT/t1weighted_brain[.MNI152].nii.gz`` with ``labels.DKT31.manual[.MNI152].nii.gz``.

    Two subjects are in two cohorts, and stay in one split; cohorts are the sites. The headers of 14 native images have
    axes that are not those of the brain: what they are is found by comparison with the copy in MNI152 of the same
    scan, without which the scan is left out. Splits are drawn by subject.
    """

    name = "mindboggle"
    title = "Mindboggle-101, T1 brains with 62 cortical regions labelled by hand"
    source = "Klein and Tourville 2012, Front. Neurosci. 6:171; mindboggle.info/data, osf.io/yhkde"
    licence = "CC BY-NC-SA 3.0 at mindboggle.info (2012), CC BY 4.0 at the Harvard Dataverse (2023)"
    download = (
        "the volumes of the five cohorts (OASIS-TRT-20, NKI-RS-22, NKI-TRT-20, MMRR-21, Extra-18) from osf.io/yhkde"
    )
    layout = "COHORT_volumes/SUBJECT/{t1weighted_brain, labels.DKT31.manual}[.MNI152].nii.gz"
    official_subjects = 99
    companions = frozenset({
        "t1weighted*.nii.gz", "labels.DKT*.nii.gz", "*affine*.txt", "README*", "*.md",
    })  # fmt: skip
    settings_kind = MindboggleSettings

    def _listed(self, folder: Path, options: MindboggleSettings, cache: Path) -> Listing:
        self.keeps_grid = options.space == "MNI152"
        return _list(folder, options, cache)

    def _names(self, folder: Path, options: MindboggleSettings) -> dict[int, str]:
        return freesurfer_labels(LABELS)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Ten scans of eight subjects, one with a header whose axes are wrong, in both spaces."""
        scans = (
            "HLN-12-1", "HLN-12-3", "MMRR-21-2", "NKI-RS-22-3", "NKI-TRT-20-5", "NKI-RS-22-14", "NKI-TRT-20-14",
            "OASIS-TRT-20-1", "OASIS-TRT-20-2", "MMRR-21-3",
        )  # fmt: skip
        for number, scan in enumerate(scans):
            at = folder / f"{_cohort(scan)}_volumes" / scan
            for space, axes in (("", "LIA"), (".MNI152", "LAS")):
                write_phantom(
                    at / f"t1weighted_brain{space}.nii.gz",
                    at / f"labels.DKT31.manual{space}.nii.gz",
                    rng=np.random.default_rng(number),
                    values=(1002, 1035, 2002, 2035),
                    axes=axes,
                    header_axes="LSP" if scan == "HLN-12-1" and not space else axes,
                    stripped=True,
                )
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}


def _list(folder: Path, options: MindboggleSettings, cache: Path) -> Listing:
    ending = SPACES[options.space].replace(".", r"\.") + r"\.nii(?:\.gz)?"
    subject = rf"(?P<subject>(?P<site>{COHORTS})-[0-9]+)"
    found = find_images(
        folder, (Layout(name="official", pattern=f"{subject}/t1weighted_brain{ending}"),), dataset="mindboggle"
    )
    labels = Layout(name="official", pattern=rf"{subject}/labels\.DKT31\.manual{ending}")
    require_partners(folder, found, names=NAMES, layout=labels)
    problems = wrong_headers("mindboggle") if options.space == "native" else {}
    scans, lost, righted = [], {}, {}
    for image in found:
        reading = Reading()
        if problem := problems.get(image["subject"]):
            copy = image.path.with_name(image.path.name.replace("t1weighted_brain", "t1weighted_brain.MNI152"))
            if not copy.exists():
                lost[image.path] = f"{problem}, and {copy.name}, which would tell how it lies, is not there"
                continue
            reading = Reading(axes=true_axes(image.path, copy, cache=cache))
            righted[image.path] = f"{problem}; its axes are {reading.axes}, by comparison with {copy.name}"
        scans.append(_scan(image, reading))
    listing = brain_listing("mindboggle", folder, scans, options, layout="official")
    return Listing(scans=listing.scans, layout="official", excluded=listing.excluded | lost, righted=righted)


def _scan(image: Found, reading: Reading) -> Listed:
    site = _cohort(image["subject"])
    return Listed(
        image=image.path, labels=partner(image.path, NAMES), subject=image["subject"], site=site, reading=reading
    )


def _cohort(subject: str) -> str:
    cohort = subject.rpartition("-")[0]
    return cohort if cohort in ("OASIS-TRT-20", "NKI-RS-22", "NKI-TRT-20", "MMRR-21") else "Extra-18"
