"""ADHD-200: T1 brains of children with attention deficit and controls from eight sites, without labels."""

from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.indi import IndiDataset
from fusemorph.data.phantom import write_phantom
from fusemorph.data.walk import Layout

# The anatomical file is called rest as the functional one is: the folder tells them apart. SITE_ID_SESSION: the subject
# is what stands before the last underscore. Source: the downloads of NITRC, read from public loaders.
NITRC = Layout(
    name="NITRC",
    pattern=r"(?P<site>[A-Za-z][A-Za-z0-9_]*?)_(?P<subject>[0-9]{5,7})_(?P<session>[0-9]+)"
    r"/(?:scans/)?anat(?:_(?P<run>[0-9]+))?/(?:resources/)?NIfTI/(?:files/)?(?:rest|mprage)\.nii(?:\.gz)?",
)


class Adhd200(IndiDataset):
    """Layouts of INDI (``SITE/0026001/session_1/anat_1/mprage.nii.gz``), NITRC (``SITE_ID_SESSION``) and BIDS.

    15 subjects of WashU have two sessions, which are two scans of one subject. Splits are drawn by subject.
    """

    name = "adhd200"
    title = "ADHD-200, T1 brains of attention deficit and controls"
    source = "ADHD-200 Consortium 2012, Front. Syst. Neurosci. 6:62; fcon_1000.projects.nitrc.org/indi/adhd200"
    licence = "for research, not commercial"
    download = "the training sites of ADHD-200 from INDI or NITRC (registration), with their phenotypic tables"
    layout = "SITE/0026001/session_1/anat_1/mprage.nii.gz, or SITE_0026001_1/anat_1/NIfTI/rest.nii.gz, or BIDS"
    variants = ("NITRC", "INDI", "BIDS")
    companions = frozenset({"*_phenotypic.csv"})
    nitrc = NITRC
    table = "*_phenotypic.csv"
    id_column = "ScanDir ID"
    site_column = "Site"

    @staticmethod
    def example(folder: Path, layout: str = "NITRC") -> dict[str, Any]:
        """Eight subjects of two sites in one of the layouts, one with two sessions, one with a functional scan."""
        rng = np.random.default_rng(0)
        scans = [(26001 + number, 1) for number in range(8)] + [(26001, 2)]
        for number, session in scans:
            site = "WashU" if number % 2 else "KKI"
            bids = f"sub-{number:07d}/ses-{session}/anat/sub-{number:07d}_ses-{session}_T1w.nii.gz"
            image = {
                "INDI": f"{site}/{number:07d}/session_{session}/anat_1/mprage.nii.gz",
                "NITRC": f"{site}_{number:07d}_{session}/anat_1/NIfTI/rest.nii.gz",
                "BIDS": f"{site}/{bids}",
            }[layout]
            write_phantom(folder / image, rng=rng)
        if layout == "NITRC":
            write_phantom(folder / "WashU_0026001_1/rest_1/NIfTI/rest.nii.gz", rng=rng)
        table = [
            "ScanDir ID,Site,Gender,Age,Secondary Dx ,QC_Anatomical_1",
            "0026001,8,0,10.1,,1",
            "0026003,8,1,-999,,1",
        ]
        (folder / "WashU_phenotypic.csv").write_text("\n".join(table) + "\n")
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}
