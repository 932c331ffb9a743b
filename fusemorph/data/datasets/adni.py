"""ADNI: T1 brains of older subjects at many visits, without labels."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.brain import BrainDataset, BrainSettings, brain_listing
from fusemorph.data.listing import Listed, Listing
from fusemorph.data.phantom import write_phantom
from fusemorph.data.table import Row, check_ids, read_table
from fusemorph.data.walk import Found, Layout, bids, find_images, find_tables, runs_in_order

TABLE = "ADNIMERGE*.csv"
# Source: the downloads of the Image and Data Archive (ida.loni.usc.edu), read from public converters (Clinica).
IDA = Layout(
    name="IDA",
    pattern=r"(?P<subject>[0-9]{3}_S_[0-9]{4,5})/[^/]+/(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})_[0-9_.]+"
    r"/(?P<run>[SI][0-9]+)/[^/]+\.nii(?:\.gz)?",
)


class Adni(BrainDataset):
    """The archive's layout (``027_S_0074/DESCRIPTION/DATE/I12345/*.nii``) and BIDS as Clinica writes it.

    A subject has many visits, and a visit repeats and processed copies of its scans: one a visit is read, that of
    ``IMAGEUID`` in ``ADNIMERGE.csv`` where the table is there, else that of the lowest number. Splits are drawn by
    subject.
    """

    name = "adni"
    title = "ADNI, T1 brains of older persons at several visits"
    source = "Jack et al. 2008, J. Magn. Reson. Imaging 27:685; adni.loni.usc.edu"
    licence = "data use agreement of ADNI"
    download = "T1 images as NIfTI from ida.loni.usc.edu (application), and ADNIMERGE.csv where visits are to be named"
    layout = "027_S_0074/DESCRIPTION/2006-01-31_10_33_46.0/I12345/*.nii, or BIDS (sub-ADNI027S0074)"
    variants = ("IDA", "BIDS")
    companions = frozenset({TABLE, "*.xml"})

    def _listed(self, folder: Path, options: BrainSettings, cache: Path) -> Listing:
        found = find_images(folder, (IDA, bids("T1w")), dataset=self.name)
        rows = _rows(folder)
        # Those that the table names come first, so that they are the ones that are kept.
        ordered = sorted(runs_in_order(found), key=lambda image: _number(image) not in rows)
        visits = {_day(image): rows[number]["VISCODE"] for image in ordered if (number := _number(image)) in rows}
        scans = [_listed(image, visits.get(_day(image), "")) for image in ordered]
        return brain_listing(self.name, folder, scans, options, layout=found[0].layout)

    @staticmethod
    def example(folder: Path, layout: str = "IDA") -> dict[str, Any]:
        """Eight subjects, one with two visits and one with a repeat of which the table names the second."""
        rng = np.random.default_rng(0)
        scans = [(subject, "2006-01-31", 100 + subject) for subject in range(8)]
        for subject, date, image in [*scans, (0, "2007-02-01", 200), (1, "2006-01-31", 201)]:
            path = {
                "IDA": f"027_S_{74 + subject:04d}/MPRAGE/{date}_10_33_46.0/I{image}/ADNI_027_S_{image}.nii",
                "BIDS": f"sub-ADNI027S{74 + subject:04d}/ses-M{12 * (date > '2007'):02d}/anat/"
                f"sub-ADNI027S{74 + subject:04d}_ses-M{12 * (date > '2007'):02d}_run-{1 + (image == 201)}_T1w.nii.gz",
            }[layout]
            write_phantom(folder / path, rng=rng)
        table = ["RID,PTID,VISCODE,IMAGEUID,Month", "74,027_S_0074,m12,200,12", "75,027_S_0075,bl,201,0"]
        (folder / "ADNIMERGE.csv").write_text("\n".join(table) + "\n")
        return {"data": folder, "spacing_mm": 1.0, "shape": [24, 28, 24], "align": "none"}


def _listed(image: Found, visit: str) -> Listed:
    """``visit``: what the table calls it, else it is called by its date or session."""
    subject = _subject(image)
    return Listed(image=image.path, subject=subject, site=subject[:3], visit=visit or image["date"] or image["session"])


def _subject(image: Found) -> str:
    compact = re.fullmatch(r"ADNI([0-9]{3})S([0-9]{4,5})", image["subject"])
    return f"{compact[1]}_S_{compact[2]}" if compact else image["subject"]


def _day(image: Found) -> tuple[str, str]:
    return _subject(image), image["date"]


def _number(image: Found) -> str:
    return image["run"].lstrip("SI") if image.layout == IDA.name else ""


def _rows(folder: Path) -> dict[str, Row]:
    """The rows of the table by the number of their image; none without the table."""
    rows: dict[str, Row] = {}
    for path in find_tables(folder, TABLE):
        table = read_table(path, required=("PTID", "VISCODE"), allowed=None)
        check_ids(path, table, "PTID", form="[0-9]{3}_S_[0-9]{4,5}", like="027_S_0074")
        rows |= {number: row for row in table if (number := row.get("IMAGEUID", "").removesuffix(".0"))}
    return rows
