"""ACDC: cardiac cine MRI at end-diastole (ED) and end-systole (ES), registered within each patient."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.cardiac import PHASES, PROTOCOLS, CardiacDataset, CardiacSettings
from fusemorph.data.curation import same_subject
from fusemorph.data.errors import DataError
from fusemorph.data.listing import Listed, Listing, Reading
from fusemorph.data.phantom import write_phantom
from fusemorph.data.settings import read_protocol
from fusemorph.data.table import raise_all, read_table
from fusemorph.data.walk import Layout, find_all

LAST_TRAINING, LAST_TESTING = 100, 150
SPACINGS = "spacings.csv"
PARTS = ("training", "testing")
INFO = Layout(name="official", pattern=r"(?:training|testing)/patient[0-9]{3}/Info\.cfg")


class Acdc(CardiacDataset):
    """The official layout: ``training/patientNNN`` (1 to 100), ``testing/patientNNN`` (101 to 150), each ``Info.cfg``.

    Pairs are ED and ES of one patient, both ways. Split by patient: of training, numbers divisible by 3 are val and the
    others train, so that each of the five groups of patients, which lie in rows of 20, is in both; testing is test.

    Spacing is what the headers say (about 1.5x1.5x10 mm in the official files). In copies that say 1 mm throughout,
    millimetres count voxels, unless ``spacings.csv`` beside ``training`` gives the spacing of each patient, in columns
    ``patient,x_mm,y_mm,z_mm``. A frame that is no file of its own is taken from ``patientNNN_4d.nii.gz``.

    Published mean Dice, on other splits: none 58.1, TransMorph 75.0, VoxelMorph 75.3, EOIR 78.9 (EOIR, Table IV).
    """

    name = "acdc"
    title = "ACDC, cardiac cine MRI: end-diastole and end-systole"
    source = "Bernard et al. 2018, IEEE TMI 37:2514, University Hospital of Dijon"
    licence = "CC BY-NC-SA 4.0"
    download = "ACDC from humanheart-project.creatis.insa-lyon.fr (registration); testing comes with labels since 2023"
    layout = "{training, testing}/patient001/{Info.cfg, patient001_frame01.nii.gz, patient001_frame01_gt.nii.gz}"
    without_spacing = (
        f"{CardiacDataset.without_spacing}, unless {SPACINGS} beside training has it (columns patient,x_mm,y_mm,z_mm)"
    )
    companions = frozenset({"Info.cfg", SPACINGS, "patient???_4d.nii.gz", "MANDATORY_CITATION.md"})

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_protocol(CardiacSettings, settings, dataset=self.name, protocols=PROTOCOLS)
        root = _root(data)
        listing = _list(root)
        # Those of the images, so that other files of the download beside them are not accounted for.
        folders = sorted({scan.image.parent.parent for scan in listing.scans.values()})
        super().__init__(listing, options, folders=folders, cache=cache)

    def missing(self, split: str) -> tuple[str, ...]:
        """The patients of the full set that are not here."""
        due = [number for number in range(1, LAST_TESTING + 1) if _split(number) == split]
        absent = [number for number in due if f"patient{number:03d}_ED" not in self._members.get(split, {})]
        if not due:
            return super().missing(split)
        words = f"{len(absent)} of the {len(due)} patients of {split} are missing"
        return (f"{words}, the first is patient{absent[0]:03d}",) if absent else ()

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Three patients of train, two of val, two of test; seven to nine slices."""
        rng = np.random.default_rng(0)
        for number in (1, 2, 4, 3, 6, 101, 102):
            part = PARTS[number > LAST_TRAINING]
            patient, shape = folder / part / f"patient{number:03d}", (24, 20, 7 + number % 3)
            for frame in (1, 9):
                image = patient / f"{patient.name}_frame{frame:02d}.nii.gz"
                write_phantom(image, _labels_of(image), rng=rng, shape=shape, label_count=3)
            (patient / "Info.cfg").write_text("ED: 1\nES: 9\nGroup: DCM\n")
        return {"data": folder, "shape": [24, 24, 16]}


def _root(data: Path | None) -> Path:
    """The folder that holds training or testing; the download has it as ``ACDC/database``."""
    if data is None:
        raise ValueError("open_dataset(): 'data' must be the folder of ACDC that holds training, got None")
    for inside in ("", "ACDC", "database", "ACDC/database"):
        if any(next((data / inside / part).glob("patient*"), None) for part in PARTS):
            return data / inside
    if next(data.glob("patient*"), None):
        raise DataError(f"{data}: must be the folder above, which holds training/patientNNN of ACDC")
    roots = {info.path.parents[2] for info in find_all(data, INFO)}
    if len(roots) != 1:
        found = "; ".join(map(str, sorted(roots))) or "nothing of the kind"
        raise DataError(f"{data}: must hold one folder with training/patientNNN of ACDC, holds {found}")
    return roots.pop()


def _list(root: Path) -> Listing:
    """ED and ES of each patient.

    Raises:
        DataError: with a line for each file that is missing, or each unusable ``Info.cfg``.
    """
    scans: dict[str, Listed] = {}
    excluded: dict[Path, str] = {}
    wrong: list[str] = []
    spacings = _spacings(root / SPACINGS)
    # The first download of the challenge had no labels of testing.
    unlabelled = not any((root / "testing").glob("patient*/*_gt.nii*"))
    for patient in _in_order([path for part in PARTS for path in (root / part).glob("patient*")]):
        try:
            pair = _phases(patient, spacings)
        except DataError as error:
            wrong.append(str(error))
            continue
        if unlabelled and patient.parent.name == "testing":
            excluded |= {scan.image: "has no labels, as no patient of testing here" for scan in pair.values()}
            continue
        for scan in pair.values():
            assert scan.labels is not None
            wrong += _lone(scan.image, scan.labels)
        scans |= pair
    raise_all(wrong)
    return Listing(scans=scans, layout="official", excluded=excluded)


def _phases(patient: Path, spacings: Mapping[int, tuple[float, ...]]) -> dict[str, Listed]:
    number = _number(patient)
    reading = Reading(spacing_mm=spacings.get(number))
    pair = {}
    for phase, frame in _frames(patient / "Info.cfg").items():
        image = patient / f"{patient.name}_frame{frame:02d}.nii.gz"
        scan = Listed(
            image=image,
            labels=_labels_of(image),
            subject=f"{_subject(number):03d}",
            split=_split(number),
            site="University Hospital of Dijon",
            visit=phase,
            reading=reading,
        )
        series = patient / f"{patient.name}_4d.nii.gz"
        if not image.exists() and series.exists():
            scan = replace(scan, image=series, reading=replace(reading, frame=frame - 1))
        pair[f"{patient.name}_{phase}"] = scan
    return pair


def _spacings(table: Path) -> dict[int, tuple[float, ...]]:
    """The spacing of each patient in a table, which a copy without spacing may have; none without a table."""
    if not table.exists():
        return {}
    columns = ("patient", "x_mm", "y_mm", "z_mm")
    found = {}
    for number, row in enumerate(read_table(table, required=columns, allowed=columns), start=2):
        digits = re.fullmatch(r"(?:patient)?([0-9]{1,3})", row["patient"])
        try:
            spacing = tuple(float(row[name].replace(",", ".")) for name in columns[1:])
        except ValueError:
            spacing = ()
        if not digits or not spacing or not 0.1 <= min(spacing) <= max(spacing) <= 50:
            rule = "must give a patient (patient001 or 1) and three sizes from 0.1 to 50 mm"
            raise DataError(f"{table}, row {number}: {rule}, got {list(row.values())}")
        found[int(digits[1])] = spacing
    return found


def _in_order(patients: list[Path]) -> list[Path]:
    """By number.

    Raises:
        DataError: a patient who is there twice, as in training and in testing.
    """
    by_number: dict[int, Path] = {}
    twice = []
    for patient in sorted(patients, reverse=True):
        other = by_number.setdefault(_number(patient), patient)
        if other != patient:
            twice.append(f"{patient}: is {other} again; keep one of them")
    raise_all(twice)
    return [by_number[number] for number in sorted(by_number)]


def _number(patient: Path) -> int:
    digits = patient.name.removeprefix("patient")
    if not re.fullmatch("[0-9]{3}", digits) or not 1 <= int(digits) <= LAST_TESTING:
        raise DataError(f"{patient}: must be named patientNNN, from patient001 to patient{LAST_TESTING}")
    return int(digits)


def _subject(number: int) -> int:
    """The number under which a patient is kept who has two."""
    return int(same_subject("acdc").get(f"{number:03d}", number))


def _split(number: int) -> str:
    if number > LAST_TRAINING:
        return "test"
    return "val" if _subject(number) % 3 == 0 else "train"


def _labels_of(image: Path) -> Path:
    return image.with_name(image.name.replace(".nii.gz", "_gt.nii.gz"))


def _lone(image: Path, labels: Path) -> list[str]:
    """A line for an image without its label map, for a label map without its image, and for neither; none for both."""
    if image.exists() and labels.exists():
        return []
    if image.exists():
        return [f"{image}: image without label {labels.name}"]
    return [f"{labels}: label without image {image.name}" if labels.exists() else f"{image}: no such file"]


def _frames(info: Path) -> dict[str, int]:
    """Numbers of the frames ED and ES, counted from 1."""
    try:
        text = info.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{info}: cannot be read ({error.strerror})") from error
    found = dict(re.findall(r"^(ED|ES):\s*([0-9]{1,4})\s*$", text, flags=re.MULTILINE))
    if set(found) != set(PHASES) or found["ED"] == found["ES"]:
        raise DataError(f"{info}: must name two frames, as ED: and ES: with a number each, got {found}")
    return {phase: int(found[phase]) for phase in PHASES}
