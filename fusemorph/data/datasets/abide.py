"""ABIDE I: T1 brains of subjects with autism and controls from 17 sites, without labels."""

from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.indi import IndiDataset
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import Layout

# Source: the downloads of NITRC, whose image browser puts scans/ and resources/ in between.
NITRC = Layout(
    name="NITRC",
    pattern=r"(?P<site>[A-Za-z][A-Za-z0-9_]*?)_(?P<subject>[0-9]{5,7})/(?:scans/)?anat(?:_(?P<run>[0-9]+))?"
    r"/(?:resources/)?NIfTI/(?:files/)?mprage\.nii(?:\.gz)?",
)


class Abide(IndiDataset):
    """Layouts of INDI (``NYU/0050952/session_1/anat_1/mprage.nii.gz``), NITRC (``NYU_50952/anat/NIfTI``) and BIDS.

    Subjects are numbers, whichever way they are spelt; sites are folders or, in BIDS, ``SITE_ID`` of the phenotypic
    table. Splits are drawn by subject.
    """

    name = "abide"
    title = "ABIDE I, T1 brains of autism and controls"
    source = "Di Martino et al. 2014, Mol. Psychiatry 19:659; fcon_1000.projects.nitrc.org/indi/abide"
    licence = "CC BY-NC-SA 3.0"
    download = "the anatomical scans of ABIDE I from INDI or NITRC (registration), and Phenotypic_V1_0b.csv"
    layout = "SITE/0050952/session_1/anat_1/mprage.nii.gz, or SITE_50952/anat/NIfTI/mprage.nii.gz, or BIDS"
    variants = ("INDI", "NITRC", "BIDS")
    official_subjects = 1112
    companions = frozenset({"Phenotypic_V1_0b*.csv"})
    nitrc = NITRC
    table = "[Pp]henotypic_V1*.csv"
    id_column = "SUB_ID"
    site_column = "SITE_ID"

    @staticmethod
    def example(folder: Path, layout: str = "INDI") -> dict[str, Any]:
        """Nine subjects of two sites in one of the layouts, one scanned twice in a visit; a table of sites."""
        rng = np.random.default_rng(0)
        rows = ["SITE_ID,SUB_ID,DX_GROUP,AGE_AT_SCAN,SEX"]
        for number in range(50952, 50961):
            site = "NYU" if number % 2 else "UM_1"
            image = {
                "INDI": f"{site}/{number:07d}/session_1/anat_1/mprage.nii.gz",
                "NITRC": f"{site}_{number}/anat/NIfTI/mprage.nii.gz",
                "BIDS": f"sub-{number:07d}/anat/sub-{number:07d}_T1w.nii.gz",
            }[layout]
            write_phantom(folder / image, rng=rng)
            rows.append(f"{site},{number},1,-9999,1")
        (folder / "Phenotypic_V1_0b.csv").write_text("\n".join(rows) + "\n")
        if layout == "INDI":
            write_phantom(folder / "NYU/0050953/session_1/anat_2/mprage.nii.gz", rng=rng)
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
