"""What is worth knowing of the files of a data set: where readers disagree, what was rounded, what is left out."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np

from fusemorph.data.dataset import Dataset
from fusemorph.data.header import EXACT_MM, Header
from fusemorph.data.nifti import read_header
from fusemorph.data.preprocess import Volume, background

MOST_FILES = 200_000
"""Of a folder that are looked through: more are no data set but somebody's disk."""
_SINGULAR = {"are": "is", "have": "has"}
EXAMPLES = 3
OF_FUNCTION = re.compile(r"func|rest(_[0-9]+)?")
"""Folders of functional scans, which lie beside those of anatomical ones in BIDS and in downloads of INDI and NITRC."""
IMAGES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found; an ``error`` makes the data unfit, a ``warning`` is worth a look, a ``note`` is harmless."""

    level: Literal["error", "warning", "note"]
    message: str


def scans(dataset: Dataset) -> list[str]:
    """The ids of all scans, split by split."""
    return [scan_id for split in dataset.splits for scan_id in dataset.scan_ids(split)]


def check_headers(dataset: Dataset) -> Iterable[Finding]:
    """Images that ITK and nibabel place apart, each with a line of its own; units and rounding, counted."""
    headers = _headers(dataset)
    for header in headers:
        if header.ambiguous:
            advice = "register asks which is right (--header)"
            yield Finding(level="warning", message=f"{header.path}: {header.disagreement()}; {advice}")
    scaled, rounded = (
        [header.path for header in headers if of_kind(header)]
        for of_kind in (lambda header: bool(header.unit), _rounded)
    )
    yield from _without_forms(headers)
    yield from counted(scaled, "give sizes in metres or microns: brought to millimetres", level="note")
    yield from counted(rounded, "are placed slightly differently by ITK and nibabel, by rounding alone", level="note")


def doubtful_headers(dataset: Dataset) -> Iterable[Finding]:
    """What of ``check_headers`` is worth knowing before hours of training, each kind of header counted in one line."""
    headers = _headers(dataset)
    apart = [header.path for header in headers if header.ambiguous]
    yield from counted(apart, "are placed differently by ITK and nibabel; ITK's reading is used", level="warning")
    yield from _without_forms(headers)


def _headers(dataset: Dataset) -> list[Header]:
    paths = [path for scan_id in scans(dataset) for path in dataset.files(scan_id)]
    return [read_header(path, series=None) for path in dict.fromkeys(paths)]


def _without_forms(headers: Iterable[Header]) -> Iterable[Finding]:
    paths = [header.path for header in headers if not header.forms]
    return counted(paths, "have neither sform nor qform (both codes are 0)", level="warning")


def _rounded(header: Header) -> bool:
    return bool(header.forms) and not header.ambiguous and header.apart_mm > EXACT_MM


def check_values(image: Volume, labels: Volume | None) -> dict[str, Path]:
    """What was done to the values of a scan, in words that follow a number of files, with the file."""
    found = {}
    stray = int(np.count_nonzero(image.array < background(image.array)))
    if stray:
        found["hold a few voxels below their background, which count neither for it nor for the foreground"] = (
            image.path
        )
    if labels is not None and labels.notes:
        found["hold labels that are not whole numbers: rounded"] = labels.path
    return found


def summarise(found: Iterable[dict[str, Path]]) -> Iterator[Finding]:
    """One note for all files of which ``check_values`` says the same."""
    files: dict[str, list[Path]] = defaultdict(list)
    for scan in found:
        for words, path in scan.items():
            files[words].append(path)
    for words, paths in files.items():
        yield from counted(paths, words, level="note")


def check_left_out(dataset: Dataset) -> Iterable[Finding]:
    """Files of the data set's folders that it does not use: images are worth a look."""
    paths = [
        path for scan_id in scans(dataset) for path in (*dataset.files(scan_id), *dataset.beside(scan_id).values())
    ]
    used = {os.path.realpath(path) for path in (*paths, *dataset.excluded())}
    for folder in dataset.folders():
        images: list[Path] = []
        others: list[Path] = []
        for count, path in enumerate(_files(folder)):
            if count == MOST_FILES:
                yield Finding(
                    level="note", message=f"{folder}: holds more than {MOST_FILES} files; the rest is not listed"
                )
                break
            companion = any(fnmatchcase(path.name, pattern) for pattern in dataset.companions)
            if os.path.realpath(path) not in used and not companion:
                is_image = path.name.lower().endswith(IMAGES) and not path.name.startswith(".")
                (images if is_image else others).append(path.relative_to(folder))
        other = [path for path in images if any(OF_FUNCTION.fullmatch(part) for part in path.parts[:-1])]
        unnamed = [path for path in images if path not in set(other)]
        place, reason = f" of {folder}", "are not named by the layout and left out"
        yield from counted(unnamed, reason, level="warning", noun="image", place=place)
        yield from counted(other, "are left out as functional", level="note", noun="image", place=place)
        yield from counted(others, "are not used", level="note", noun="other file", place=f" of {folder}")


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names))


def counted(
    paths: Sequence[Path], words: str, *, level: Literal["warning", "note"], noun: str = "file", place: str = ""
) -> Iterable[Finding]:
    """One finding on all the files: how many, then ``words``, which begin with a verb in the plural, and examples."""
    if paths:
        if len(paths) == 1:
            verb, _, rest = words.partition(" ")
            words = f"{_SINGULAR.get(verb, f'{verb}s')} {rest}"
        examples = ", ".join(map(str, paths[:EXAMPLES])) + (", ..." if len(paths) > EXAMPLES else "")
        yield Finding(level=level, message=f"{len(paths)} {noun}{'s' * (len(paths) > 1)}{place} {words}: {examples}")


def check_labels(dataset: Dataset) -> Iterable[Finding]:
    """Labels that are in some scans and not in others, or in none; scans without any labels do not count."""
    absent: dict[int, list[str]] = defaultdict(list)
    for split in dataset.splits:
        for scan_id in dataset.scan_ids(split):
            labels = dataset.scan(scan_id).labels
            for label in set(dataset.labels) - set(
                np.unique(labels).tolist() if labels is not None else dataset.labels
            ):
                absent[label].append(scan_id)
    count = len(scans(dataset))
    nowhere = [f"{label} {dataset.labels[label]}" for label, lacking in absent.items() if len(lacking) == count]
    if len(nowhere) > 1:
        listed = ", ".join(sorted(nowhere)[:EXAMPLES]) + (", ..." if len(nowhere) > EXAMPLES else "")
        message = f"{len(nowhere)} of the {len(dataset.labels)} labels are in no scan: {listed}"
        yield Finding(level="warning", message=message)
        absent = {label: lacking for label, lacking in absent.items() if len(lacking) < count}
    for label, lacking in sorted(absent.items()):
        first = f"{len(lacking)} scan{'s' * (len(lacking) > 1)}, the first is {lacking[0]}"
        message = f"label {label} ({dataset.labels[label]}) is absent from {first}"
        yield Finding(level="warning", message=message)
