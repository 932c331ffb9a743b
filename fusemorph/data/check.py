"""``fusemorph check``: check a data set before training on it."""

import argparse
import math
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fusemorph.bounds import size
from fusemorph.catalogue import add_folders, add_option
from fusemorph.data import DataError, Dataset, known_datasets, open_dataset
from fusemorph.data.cache import cache_folder, content_digest
from fusemorph.data.errors import printable
from fusemorph.data.files import FileDataset
from fusemorph.data.inspection import (
    Finding,
    check_headers,
    check_labels,
    check_left_out,
    check_values,
    scans,
    summarise,
)
from fusemorph.data.inventory import check_listing, check_skulls, foreground_ml, inventory, study_line
from fusemorph.data.listed import ListedDataset
from fusemorph.data.preprocess import Volume, read_labels, read_volume
from fusemorph.data.settings import beside_parameters, parse_setting
from fusemorph.paths import path_argument

WIDE_SCALE = 100.0
STUDY = "to run a study"


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image as its file holds it."""

    scan_id: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    low: float
    high: float
    filled_ml: float = 0.0
    path: Path | None = None
    values: dict[str, Path] = field(default_factory=dict)


def check(name: str, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> list[Finding]:
    """Open a dataset and read every file of it; the cache is filled on the way.

    Raises:
        ValueError: an unknown dataset or setting (``DataError`` never: what is wrong with the data is a finding).
        StorageError: the cache cannot be written.
    """
    return _inspect(name, data, cache=cache, settings=settings)[0]


def main(argv: Sequence[str] | None = None) -> int:
    """``fusemorph check DATASET --data DIR``: 0 where the data are fit, 1 where not.

    2 for a wrong call, or if the storage fails.
    """
    call = parser().parse_args(argv)
    try:
        add_folders(call.entries)
        settings = beside_parameters(dict(parse_setting(text) for text in call.set))
        findings, rows = _inspect(call.dataset, call.data, cache=call.cache, settings=settings)
    except (ValueError, OSError) as error:
        print(f"fusemorph check: {printable(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"fusemorph check: not enough memory for {call.dataset}", file=sys.stderr)
        return 2
    if rows:
        _print_table(call.dataset, rows)
    for finding in findings:
        print(f"{finding.level}: {printable(finding.message)}")
    unfit = sum(finding.level == "error" for finding in findings)
    if rows and not unfit:
        print(f"{STUDY}: {printable(dict(rows)[STUDY])}")
    print(f"{call.dataset}: {f'unfit, {unfit} errors' if unfit else 'fit'}")
    return 1 if unfit else 0


def parser() -> argparse.ArgumentParser:
    """The options of ``fusemorph check``."""
    made = argparse.ArgumentParser("fusemorph check", description="Check a data set before training on it.")
    made.add_argument("dataset", metavar="DATASET", help=f"{', '.join(known_datasets())}, or one of --entries")
    made.add_argument("--data", type=path_argument, metavar="DIR", help="the folder of the images")
    made.add_argument("--cache", type=path_argument, metavar="DIR", help="where preprocessed images are kept")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the data set, such as shape=48,64,48",
    )
    add_option(made)
    return made


def _inspect(
    name: str, data: Path | None, *, cache: Path | None, settings: dict[str, Any]
) -> tuple[list[Finding], list[tuple[str, str]]]:
    """The findings, and the rows of the table (none where the data cannot be opened)."""
    try:
        dataset = open_dataset(name, data, cache=cache, **settings)
    except DataError as error:
        return _errors(error), []
    room = _check_room(dataset, cache_folder(cache))
    for finding in room:
        print(f"fusemorph check: {finding.level}: {printable(finding.message)}", file=sys.stderr)
    if findings := _check_scans(dataset):
        return [*room, *findings], []
    sources = [_source(dataset, scan_id) for scan_id in scans(dataset)]
    findings = [*_check_splits(dataset), *_check_contents(dataset, cache_folder(cache)), *check_labels(dataset)]
    findings += [*check_headers(dataset), *check_listing(dataset), *check_left_out(dataset)]
    findings += [*check_skulls(dataset, {source.path: source.filled_ml for source in sources if source.path})]
    findings += [*summarise(source.values for source in sources), *_check_sources(dataset, sources)]
    return findings, [*_rows(dataset, sources), (STUDY, study_line(dataset, data, settings))]


def _errors(error: DataError) -> list[Finding]:
    return [Finding(level="error", message=line) for line in str(error).splitlines()]


def _check_scans(dataset: Dataset) -> list[Finding]:
    findings = []
    console = Console(stderr=True)
    for scan_id in track(
        scans(dataset), f"reading {dataset.name}", console=console, disable=not console.is_terminal, transient=True
    ):
        try:
            dataset.scan(scan_id)
        except DataError as error:
            findings += _errors(error)
    return findings


def _check_splits(dataset: Dataset) -> Iterable[Finding]:
    for split in ("train", "val", "test"):
        for words in dataset.missing(split):
            yield Finding(level="warning", message=words)
    if "val" not in dataset.splits or not dataset.pairs("val"):
        yield Finding(level="error", message=f"{dataset.name}: val has no pairs, and selection needs some")


def _check_contents(dataset: Dataset, cache: Path) -> Iterable[Finding]:
    """Equal images under two names: across splits, training would see what it is tested on."""
    seen: dict[str, tuple[str, Path]] = {}
    for split in dataset.splits:
        for scan_id in dataset.scan_ids(split):
            for path in dataset.files(scan_id)[:1]:
                other_split, other = seen.setdefault(content_digest(path, cache=cache), (split, path))
                if other != path:
                    across = other_split != split
                    message = f"{path} ({split}): has the same content as {other} ({other_split})"
                    yield Finding(level="error" if across else "warning", message=message)


def _check_sources(dataset: Dataset, sources: list[Source]) -> Iterable[Finding]:
    spacings = {tuple(round(spacing, 3) for spacing in source.spacing_mm) for source in sources}
    if isinstance(dataset, ListedDataset) and dataset.without_spacing and spacings == {(1.0, 1.0, 1.0)}:
        yield Finding(level="warning", message=dataset.without_spacing)
    if len(spacings) > 1:
        yield Finding(level="note", message=f"{len(spacings)} spacings; all are resampled to one")
    if len({source.orientation for source in sources}) > 1:
        yield Finding(level="note", message="several orientations; all are brought to the nearest RAS")
    highs = [source.high for source in sources]
    if min(highs) <= 0 or max(highs) / min(highs) > WIDE_SCALE:
        message = (
            f"intensity maxima from {min(highs):g} to {max(highs):g}; percentiles of each image bring them to 0..1"
        )
        yield Finding(level="note", message=message)


def _source(dataset: Dataset, scan_id: str) -> Source:
    files = dataset.files(scan_id)
    if not files:
        scan = dataset.scan(scan_id)
        return _described(scan_id, scan.image, scan.spacing_mm, scan.affine)
    image, labels = _volumes(dataset, scan_id, files)
    assert image.header is not None, "read from a file"
    source = _described(scan_id, image.array, image.spacing_mm, image.header.affine)
    return replace(
        source,
        path=files[0],
        filled_ml=foreground_ml(image) if dataset.brains else 0.0,
        values=check_values(image, labels),
    )


def _volumes(dataset: Dataset, scan_id: str, files: Sequence[Path]) -> tuple[Volume, Volume | None]:
    if isinstance(dataset, FileDataset):
        return dataset.read(scan_id)
    image = read_volume(files[0])
    return image, read_labels(files[1], image=image) if len(files) > 1 else None


def _described(scan_id: str, array: np.ndarray, spacing_mm: tuple[float, ...], affine: np.ndarray) -> Source:
    return Source(
        scan_id=scan_id,
        shape=array.shape,
        spacing_mm=spacing_mm,
        orientation="".join(nib.aff2axcodes(affine)),
        low=float(array.min()),
        high=float(array.max()),
    )


def cache_bytes(dataset: Dataset) -> int:
    """What the preprocessed scans take of the disk: images as float32, labels as int16."""
    each = (4 + (2 if dataset.has_labels(scan_id) else 0) for scan_id in scans(dataset))
    return sum(each) * math.prod(dataset.shape)


def _cached(dataset: Dataset) -> str:
    grid = _sides(dataset.shape)
    return f"{size(cache_bytes(dataset))} on the disk, {len(scans(dataset))} scans of {grid}"


def _check_room(dataset: Dataset, cache: Path) -> list[Finding]:
    """A warning, before any scan is read, where the cache may not have the room."""
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    need, free = cache_bytes(dataset), shutil.disk_usage(place).free
    if need <= free:
        return []
    message = (
        f"preprocessed scans take {size(need)}, {size(free)} are free in {place}; choose another folder by --cache"
    )
    return [Finding(level="warning", message=message)]


def _rows(dataset: Dataset, sources: list[Source]) -> list[tuple[str, str]]:
    shapes = np.asarray([source.shape for source in sources])
    lows, highs = [source.low for source in sources], [source.high for source in sources]
    labels = ", ".join(
        (f"{label} {name}" if name != str(label) else name) for label, name in list(dataset.labels.items())[:8]
    )
    splits = {split: len(dataset.scan_ids(split)) for split in dataset.splits}
    pairs = ", ".join(f"{len(dataset.pairs(split))} {split}" for split in dataset.splits if split != "train")
    return [
        ("title", dataset.title),
        ("scans", ", ".join(f"{count} {split}" for split, count in splits.items())),
        *inventory(dataset),
        ("evaluation pairs", pairs),
        ("preprocessed", _cached(dataset)),
        ("labelled in training", _labelled(dataset)),
        ("shapes", f"{_sides(shapes.min(axis=0).tolist())} to {_sides(shapes.max(axis=0).tolist())}"),
        ("spacing, mm", _counted(_sides(source.spacing_mm) for source in sources)),
        ("orientation", _counted(source.orientation for source in sources)),
        (
            "labels",
            f"{len(dataset.labels)}: {labels}{', ...' if len(dataset.labels) > 8 else ''}" if labels else "none",
        ),
        ("intensity minima", f"{min(lows):g} to {max(lows):g}"),
        ("intensity maxima", f"{min(highs):g} to {max(highs):g}"),
        ("common grid", f"{_sides(dataset.shape)} at {_sides(dataset.spacing_mm)} mm"),
        ("fingerprint", dataset.fingerprint()[:12]),
    ]


def _labelled(dataset: Dataset) -> str:
    subjects = {dataset.subject(scan_id) for scan_id in dataset.scan_ids("train")}
    return f"{len(dataset.labelled_subjects)} of {len(subjects)} subjects"


def _sides(sides: Iterable[float | int]) -> str:
    return "x".join(f"{side:.4g}" for side in sides)


def _counted(values: Iterable[str]) -> str:
    common = Counter(values).most_common()
    listed = ", ".join(f"{value} ({count})" for value, count in common[:4])
    return listed + (f" and {len(common) - 4} more" if len(common) > 4 else "")


def _print_table(name: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=f"fusemorph check {name}", show_header=False)
    for row in rows:
        if row[0] != STUDY:  # printed below, on a line of its own that can be copied
            table.add_row(*row)
    Console().print(table)
