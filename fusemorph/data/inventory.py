"""What a data set of files holds: subjects, sites, scans that are left out and why, heads in place of brains."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.curation import excluded, overlaps
from fusemorph.data.dataset import Dataset
from fusemorph.data.inspection import Finding, counted, scans
from fusemorph.data.listed import ListedDataset
from fusemorph.data.preprocess import Volume, background

HEAD_ML = 2200.0
"""More than any brain fills without its skull; a head, or air with noise around one, fills far more."""
MOST_LINES = 20


def inventory(dataset: Dataset) -> list[tuple[str, str]]:
    """Rows of the table of ``check``: layout, subjects, sites, images left out."""
    if not isinstance(dataset, ListedDataset):
        return [("subjects", str(_subjects(dataset)))]
    listing = dataset.listing
    due = f" of {dataset.official_subjects}" if dataset.official_subjects else ""
    sites = Counter(scan.site for scan in listing.scans.values() if scan.site)
    beside = {
        f"images with {noun}": sum(getattr(scan, part) is not None for scan in listing.scans.values())
        for part, noun in (("landmarks", "landmarks"), ("mask", "masks"))
    }
    labelled = sum(scan.labels is not None for scan in listing.scans.values())
    rows = [
        ("layout", listing.layout),
        ("subjects", f"{_subjects(dataset)}{due}"),
        ("sites", ", ".join(f"{site} ({count})" for site, count in sorted(sites.items()))),
        ("images with labels", f"{labelled} of {len(listing.scans)}"),
        *((name, f"{count} of {len(listing.scans)}" if count else "") for name, count in beside.items()),
        ("images left out", str(len(listing.excluded)) if listing.excluded else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _subjects(dataset: Dataset) -> int:
    return len({dataset.subject(scan_id) for scan_id in scans(dataset)})


def check_listing(dataset: Dataset) -> Iterable[Finding]:
    """Images that are left out, each with its reason; headers that were put right; subjects that are not here; data
    sets of the same subjects."""
    missing = dataset.official_subjects - _subjects(dataset)
    if dataset.official_subjects and missing > 0:
        without = len(excluded(dataset.name))
        explained = f", {without} of them known to have no image" if without else ""
        message = f"{missing} of the {dataset.official_subjects} subjects of the whole set are not here{explained}"
        yield Finding(level="warning", message=message)
    if not dataset.labels:
        message = "has no labels: a study can train on it, but needs a set with labels to compare by Dice"
        yield Finding(level="note", message=message)
    for other, who in overlaps(dataset.name).items():
        yield Finding(level="note", message=f"shares subjects with {other}: {who}")
    righted = dataset.listing.righted if isinstance(dataset, ListedDataset) else {}
    for path, reason in righted.items():
        yield Finding(level="warning", message=f"{path}: {reason}")
    left_out = list(dataset.excluded().items())
    for path, reason in left_out[:MOST_LINES]:
        yield Finding(level="note", message=f"{path}: left out: {reason}")
    if len(left_out) > MOST_LINES:
        yield Finding(level="note", message=f"and {len(left_out) - MOST_LINES} more images are left out")


def foreground_ml(image: Volume) -> float:
    """The volume of all voxels above the background."""
    voxel_ml = float(np.prod(image.spacing_mm)) / 1000
    return float(np.count_nonzero(image.array > background(image.array))) * voxel_ml


def check_skulls(dataset: Dataset, filled_ml: Mapping[Path, float]) -> Iterable[Finding]:
    """Images of heads where brains are due; ``filled_ml``: the foreground's volume of each image."""
    if dataset.brains and len(dataset.shape) == 3:
        heads = [path for path, volume_ml in filled_ml.items() if volume_ml > HEAD_ML]
        advice = "show heads, with skulls: remove them first, for instance with SynthStrip or HD-BET"
        yield from counted(heads, advice, level="warning", noun="image")


def study_line(dataset: Dataset, data: Path | None, settings: Mapping[str, Any]) -> str:
    """The line that runs a study on the data set as it was checked, from the root of the checkout."""
    words = ["python", "-m", "experiments.sweep", "fusion", "--dataset", dataset.name]
    words += [] if data is None else ["--data", f"{dataset.name}={data.absolute()}"]
    for name, value in settings.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += ["--set", f"{name}={text}"]
    return shlex.join(words)
