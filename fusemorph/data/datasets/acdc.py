"""ACDC: cardiac cine MRI at end-diastole (ED) and end-systole (ES), registered within each patient."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.data.cache import cache_folder
from fusemorph.data.dataset import PairIndex
from fusemorph.data.errors import DataError
from fusemorph.data.files import FileDataset
from fusemorph.data.pairing import pairs_within
from fusemorph.data.phantom import write_phantom
from fusemorph.data.preprocess import Volume, read_image, read_labels
from fusemorph.data.settings import canonical, check_percentiles, check_shape, read_settings
from fusemorph.data.survey import Grid, check_grids, common_grid, median_spacing_mm, survey_files

PHASES = ("ED", "ES")
LAST_TRAINING, LAST_TESTING = 100, 150
READ_TWICE = {76: 74}
"""Patient 76 is the scan of patient 74 under another number."""
SMALLEST_SIDES = (SMALLEST_SIDE, SMALLEST_SIDE, 2)


@dataclass(frozen=True, kw_only=True)
class AcdcSettings:
    """``shape``: the grid around the box of a patient's labels in both phases; an error where it would lose any.

    128x128x16 leaves a margin in the plane around the largest heart (111 voxels across in patients 1 to 30), and its
    sides are what networks with four halvings take as they are. ``spacing_mm``: by default the median of train and val.
    ``align``: as in ``FileDataset``, here ES to ED of each patient.
    """

    shape: tuple[int, ...] = (128, 128, 16)
    spacing_mm: tuple[float, ...] | None = None
    percentiles: tuple[float, ...] = (1.0, 99.0)
    align: str = "none"

    def __post_init__(self) -> None:
        check_shape("acdc", self.shape, dimensions=3)
        if self.spacing_mm is not None and (len(self.spacing_mm) != 3 or not min(self.spacing_mm) > 0):
            raise ValueError(f"acdc: 'spacing_mm' must be 3 positive numbers, got {self.spacing_mm}")
        check_percentiles("acdc", self.percentiles)


class Acdc(FileDataset):
    """The official layout: ``training/patientNNN`` (1 to 100), ``testing/patientNNN`` (101 to 150), each ``Info.cfg``.

    Pairs are ED and ES of one patient, both ways. Split by patient: of training, numbers divisible by 3 are val and the
    others train, so that each of the five groups of patients, which lie in rows of 20, is in both; testing is test.

    Spacing is what the headers say (about 1.5x1.5x10 mm in the official files); in copies that say 1 mm throughout,
    millimetres count voxels. Slices stay thick, since nothing between them was seen.

    Published mean Dice, on other splits: none 58.1, TransMorph 75.0, VoxelMorph 75.3, EOIR 78.9 (EOIR, Table IV).
    """

    name = "acdc"
    title = "ACDC, cardiac cine MRI: end-diastole and end-systole"
    source = "Bernard et al. 2018, IEEE TMI 37:2514, University Hospital of Dijon"
    licence = "CC BY-NC-SA 4.0"
    companions = frozenset({"Info.cfg"})
    within_subjects = True

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_settings(AcdcSettings, settings, dataset=self.name)
        self._files = _list_files(_patients(data))
        root = cache_folder(cache)
        members = _members(self._files)
        self._grid = _grid(self._files, members, options, cache=root)
        super().__init__(
            members=members,
            shape=self._grid.shape,
            spacing_mm=self._grid.spacing_mm,
            labels={1: "right ventricle", 2: "myocardium", 3: "left ventricle"},
            settings=canonical(options) | {"spacing_mm": list(self._grid.spacing_mm)},
            align=options.align,
            percentiles=options.percentiles,
            cache=root,
        )

    def pairs(self, split: str) -> tuple[PairIndex, ...]:
        """ED and ES of each patient, both ways; the two readings of one scan are not mixed, but are one block."""
        return self._index(
            split, pairs_within(self.scan_ids(split), lambda scan_id: self.files(scan_id)[0].parent.name)
        )

    def missing(self, split: str) -> tuple[str, ...]:
        """The patients of the full set that are not here."""
        due = [number for number in range(1, LAST_TESTING + 1) if _split(number) == split]
        absent = [number for number in due if f"patient{number:03d}_ED" not in self._members.get(split, {})]
        if not due:
            return super().missing(split)
        words = f"{len(absent)} of the {len(due)} patients of {split} are missing"
        return (f"{words}, the first is patient{absent[0]:03d}",) if absent else ()

    def files(self, scan_id: str) -> tuple[Path, ...]:
        """The image of a phase and its labels."""
        return self._files[scan_id]

    def folders(self) -> tuple[Path, ...]:
        """The folders ``training`` and ``testing``, as far as they are here."""
        return tuple(sorted({image.parent.parent for image, _ in self._files.values()}))

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Three patients of train, two of val, two of test; seven to nine slices."""
        rng = np.random.default_rng(0)
        for number in (1, 2, 4, 3, 6, 101, 102):
            part = "training" if number <= LAST_TRAINING else "testing"
            patient, shape = folder / part / f"patient{number:03d}", (24, 20, 7 + number % 3)
            for frame in (1, 9):
                image = patient / f"{patient.name}_frame{frame:02d}.nii.gz"
                write_phantom(image, _labels_of(image), rng=rng, shape=shape, label_count=3)
            (patient / "Info.cfg").write_text("ED: 1\nES: 9\nGroup: DCM\n")
        return {"data": folder, "shape": [24, 24, 16]}

    def _read(self, scan_id: str) -> tuple[Volume, Volume]:
        image_path, labels_path = self.files(scan_id)
        image = read_image(image_path, smallest_side=SMALLEST_SIDES)
        return image, read_labels(labels_path, image=image, known=self.labels)

    def _start(self, scan_id: str, image: Volume) -> tuple[int, ...]:
        return self._grid.starts[scan_id]

    def _grid_key(self, scan_id: str) -> dict[str, Any]:
        grid = {name: self.settings[name] for name in ("spacing_mm", "shape", "percentiles")}
        return {"start": self._grid.starts[scan_id], **grid}


def _patients(data: Path | None) -> list[Path]:
    """The folders of the patients, in the order of their numbers."""
    if data is None:
        raise ValueError("open_dataset(): 'data' must be the folder of ACDC that holds training, got None")
    for folder in (Path(data), Path(data) / "ACDC"):
        found = [path for part in ("training", "testing") for path in sorted((folder / part).glob("patient*"))]
        if found:
            return _in_order(found)
    raise DataError(f"{data}: must hold training/patientNNN of ACDC")


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
    if twice:
        raise DataError("\n".join(twice))
    return [by_number[number] for number in sorted(by_number)]


def _number(patient: Path) -> int:
    digits = patient.name.removeprefix("patient")
    if not re.fullmatch("[0-9]{3}", digits) or not 1 <= int(digits) <= LAST_TESTING:
        raise DataError(f"{patient}: must be named patientNNN, from patient001 to patient{LAST_TESTING}")
    return int(digits)


def _split(number: int) -> str:
    if number > LAST_TRAINING:
        return "test"
    return "val" if READ_TWICE.get(number, number) % 3 == 0 else "train"


def _members(files: Mapping[str, tuple[Path, Path]]) -> dict[str, dict[str, str]]:
    members: dict[str, dict[str, str]] = {"train": {}, "val": {}, "test": {}}
    for scan_id, (image, _) in files.items():
        number = _number(image.parent)
        members[_split(number)][scan_id] = f"{READ_TWICE.get(number, number):03d}"
    return members


def _list_files(patients: list[Path]) -> dict[str, tuple[Path, Path]]:
    """Image and labels of both phases of each patient.

    Raises:
        DataError: with a line for each file that is missing, or each unusable ``Info.cfg``.
    """
    files, wrong = {}, []
    for patient in patients:
        try:
            frames = _frames(patient / "Info.cfg")
        except DataError as error:
            wrong.append(str(error))
            continue
        for phase, frame in frames.items():
            image = patient / f"{patient.name}_frame{frame:02d}.nii.gz"
            files[f"{patient.name}_{phase}"] = (image, _labels_of(image))
            wrong += _lone(image)
    if wrong:
        raise DataError("\n".join(wrong))
    return files


def _labels_of(image: Path) -> Path:
    return image.with_name(image.name.replace(".nii.gz", "_gt.nii.gz"))


def _lone(image: Path) -> list[str]:
    labels = _labels_of(image)
    if image.exists() and labels.exists():
        return []
    if image.exists():
        return [f"{image}: image without label {labels.name}"]
    return [f"{labels}: label without image {image.name}" if labels.exists() else f"{image}: no such file"]


def _frames(info: Path) -> dict[str, int]:
    """Numbers of the frames ED and ES."""
    try:
        text = info.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{info}: cannot be read ({error.strerror})") from error
    found = dict(re.findall(r"^(ED|ES):\s*([0-9]{1,4})\s*$", text, flags=re.MULTILINE))
    if set(found) != set(PHASES) or found["ED"] == found["ES"]:
        raise DataError(f"{info}: must name two frames, as ED: and ES: with a number each, got {found}")
    return {phase: int(found[phase]) for phase in PHASES}


def _grid(
    files: Mapping[str, tuple[Path, Path]],
    members: Mapping[str, Mapping[str, str]],
    options: AcdcSettings,
    *,
    cache: Path,
) -> Grid:
    """One window a patient, around the labels of both phases: where the heart lies says nothing of how it moves."""
    surveys = survey_files(files, smallest_side=SMALLEST_SIDES, cache=cache, dimensions=3)
    groups = {scan_id: image.parent.name for scan_id, (image, _) in files.items()}
    images = {scan_id: image for scan_id, (image, _) in files.items()}
    check_grids(surveys, groups=groups, images=images)
    # Test images must not move what training sees.
    seen = [surveys[scan_id] for split in ("train", "val") for scan_id in members[split]]
    return common_grid(
        surveys,
        groups=groups,
        images=images,
        spacing_mm=options.spacing_mm or median_spacing_mm(seen or surveys.values()),
        shape=options.shape,
        foreground="labels",
    )
