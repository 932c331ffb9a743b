"""M&Ms: cardiac cine MRI of many centres and vendors at end-diastole (ED) and end-systole (ES)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import numpy as np

from fusemorph.data.cardiac import PHASES, PROTOCOLS, CardiacDataset, CardiacSettings
from fusemorph.data.errors import DataError
from fusemorph.data.listing import Listed, Listing, Reading
from fusemorph.data.phantom import write_phantom
from fusemorph.data.settings import read_protocol
from fusemorph.data.table import Row, check_ids, raise_all, read_table
from fusemorph.data.walk import Found, Layout, find_images, find_tables, partner, require_partners

TABLE = "211230_M&Ms_Dataset_information_diagnosis_opendataset.csv"
# Source: the folders of the open data set, as the challenge's site describes them (https://www.ub.edu/mnms/); the
# splits are the challenge's own.
LAYOUT = Layout(
    name="official",
    pattern=r"(?P<part>Training/Labeled|Training/Unlabeled|Validation|Testing)"
    r"/(?P<subject>[^/]+)/(?P=subject)_sa\.nii(?:\.gz)?",
)
NAMES = ("_sa.", "_sa_gt.")
LABELS = Layout(name="labels", pattern=r"(?:Training/Labeled|Validation|Testing)/[^/]+/[^/]+_sa_gt\.nii(?:\.gz)?")
SPLIT = {"Training/Labeled": "train", "Training/Unlabeled": "train", "Validation": "val", "Testing": "test"}
AS_ACDC = ((1, 3), (3, 1))
"""In the files 1 is the left ventricle and 3 the right one, the reverse of ACDC.

Source: Campello et al. 2021, and the loaders that name both sets' classes (cinema.data.mnms).
"""


class MnmsSettings(CardiacSettings):
    """``CardiacSettings`` of this set."""

    dataset: ClassVar[str] = "mnms"


class Mnms(CardiacDataset):
    """The official layout: ``Training/Labeled/ID/ID_sa.nii.gz`` (4-D) with ``ID_sa_gt.nii.gz``, and the table of cases.

    The table's ``ED`` and ``ES`` count frames from 0. Labels come out as those of ACDC. Splits are the challenge's.
    Cases without labels (GE, ``Training/Unlabeled``, ED and ES both 0) are left out.
    """

    name = "mnms"
    title = "M&Ms, cardiac cine MRI of several centres and vendors: end-diastole and end-systole"
    source = "Campello et al. 2021, IEEE TMI 40:3543; https://www.ub.edu/mnms/"
    licence = "for research, not commercial; see the terms of the download"
    download = "the open data set of M&Ms from www.ub.edu/mnms (registration), with its table of cases"
    layout = "{Training/Labeled, Validation, Testing}/ID/{ID_sa, ID_sa_gt}.nii.gz and " + TABLE
    official_subjects = 320  # of the 345 that are open: 25 of training have no labels
    companions = frozenset({TABLE})

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_protocol(MnmsSettings, settings, dataset=self.name, protocols=PROTOCOLS)
        if data is None:
            raise ValueError(f"open_dataset(): 'data' must be the folder of M&Ms that holds {TABLE}, got None")
        super().__init__(_list(data), options, folders=[data], cache=cache)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Three patients of train, two of val, two of test, one without labels; ED is the first frame, ES the third."""
        rng = np.random.default_rng(0)
        rows = [",External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology,Sex,Height,Weight"]
        cases = [("Training/Labeled", 3), ("Training/Unlabeled", 1), ("Validation", 2), ("Testing", 2)]
        codes = iter(("A0S9V9", "A1D0Q7", "A1D9Z7", "B0P3R6", "A2C0I1", "A3B7E5", "A4B9O4", "A5P5W0"))
        for part, count in cases:
            for _ in range(count):
                code = next(codes)
                labelled = part != "Training/Unlabeled"
                _write_series(folder / part / code / f"{code}_sa.nii.gz", rng, labelled=labelled)
                es = 2 if labelled else 0
                rows.append(f"{len(rows) - 1},{code},Siemens,A,{1 + len(rows) % 2},0,{es},50,NOR,F,170,70")
        (folder / TABLE).write_text("\n".join(rows) + "\n")
        return {"data": folder, "shape": [24, 24, 16]}


def _list(folder: Path) -> Listing:
    found = find_images(folder, (LAYOUT,), dataset="mnms")
    table = _table(folder)
    rows = read_table(table, required=("External code", "ED", "ES"), allowed=None)
    check_ids(table, rows, "External code", form=r"[A-Z0-9]{6}", like="A0S9V9")
    cases = {row["External code"]: row for row in rows}
    scans: dict[str, Listed] = {}
    excluded: dict[Path, str] = {}
    wrong, labelled = [], []
    first: dict[str, Path] = {}
    for case in sorted(found, key=lambda case: case["subject"]):
        code = case["subject"]
        if (other := first.setdefault(code, case.path)) != case.path:
            wrong.append(f"{case.path}: {code} is in {other} too; a patient must stay in one split")
        elif code not in cases:
            wrong.append(f"{case.path}: {code} is not in {table.name}")
        elif reason := _unlabelled(case["part"], cases[code], table):
            excluded[case.path] = reason
        else:
            labelled.append(case)
            scans |= _phases(case, cases[code], table=table)
    raise_all(wrong)
    require_partners(folder, labelled, names=NAMES, layout=LABELS)
    return Listing(scans=scans, layout=LAYOUT.name, excluded=excluded)


def _table(folder: Path) -> Path:
    if tables := find_tables(folder, "*M&Ms*nformation*.csv"):
        return tables[0]
    raise DataError(f"{folder}: must hold {TABLE}, which says the frames of ED and ES")


def _unlabelled(part: str, row: Row, table: Path) -> str:
    if part == "Training/Unlabeled":
        return "has no labels (Training/Unlabeled)"
    return f"has no labelled frames (ED = ES in {table.name})" if row["ED"] == row["ES"] else ""


def _phases(case: Found, row: Row, *, table: Path) -> dict[str, Listed]:
    code = row["External code"]
    # Public loaders index the series by ED and ES as they stand, which are therefore counted from 0.
    if wrong := [row[phase] for phase in PHASES if not re.fullmatch("[0-9]{1,3}", row[phase])]:
        raise DataError(f"{table}: ED and ES of {code} must be frames counted from 0, got {wrong[0]!r}")
    return {
        f"{code}_{phase}": Listed(
            image=case.path,
            labels=partner(case.path, NAMES),
            subject=code,
            split=SPLIT[case["part"]],
            site=_site(row),
            visit=phase,
            reading=Reading(frame=int(row[phase]), label_frame=int(row[phase]), labels=AS_ACDC),
        )
        for phase in PHASES
    }


def _site(row: Mapping[str, str]) -> str:
    return f"centre {row.get('Centre', '?')}, {row.get('VendorName') or row.get('Vendor', '?')}"


def _write_series(image: Path, rng: np.random.Generator, *, labelled: bool) -> None:
    """A 4-D series of three frames, of which the first and the third are labelled."""
    frames, label_maps = [], []
    for number in range(3):
        frame, labels = (image.with_name(f"{part}.nii") for part in ("frame", "labels"))
        write_phantom(frame, labels, rng=rng, shape=(24, 20, 8), label_count=3)
        frames.append(np.asarray(nib.Nifti1Image.from_filename(frame).dataobj))
        label_maps.append(np.asarray(nib.Nifti1Image.from_filename(labels).dataobj) * (number != 1))
        frame.unlink()
        labels.unlink()
    nib.Nifti1Image(np.stack(frames, axis=-1), np.eye(4)).to_filename(image)
    if labelled:
        nib.Nifti1Image(np.stack(label_maps, axis=-1), np.eye(4)).to_filename(partner(image, NAMES))
