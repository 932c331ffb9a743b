"""The data sets of a sweep: opened as its options say, checked, and described for records."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.runner.options import DataOptions
from fusemorph.configuration import Json
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.data.errors import printable
from fusemorph.data.inspection import check_labels, doubtful_headers
from fusemorph.data.settings import beside_parameters


def open_datasets(
    options: DataOptions, default: str, default_settings: Mapping[str, Any] | None = None
) -> tuple[Dataset, ...]:
    """The data sets asked for, opened and checked as far as their folders tell; no image is read.

    The default one has settings of its own, below those of the options.

    Raises:
        ValueError: an unknown data set or setting, an unusable folder or one that is not asked for, or no pairs
            to select on.
    """
    names = options.datasets or (default,)
    if unused := sorted(set(options.folders) - set(names)):
        raise ValueError(f"--data names {', '.join(unused)}, but the sweep runs on {', '.join(names)}")
    settings = (dict(default_settings or {}) if not options.datasets else {}) | dict(options.settings)
    passed = beside_parameters(settings)
    datasets = tuple(open_dataset(name, options.folders.get(name), cache=options.cache, **passed) for name in names)
    for dataset in datasets:
        require_pairs(dataset, "val")
    return datasets


def prepare(datasets: Sequence[Dataset]) -> None:
    """Read, check and cache every scan.

    Raises:
        ValueError: an unusable file, named.
        StorageError: the cache cannot be written.
    """
    for dataset in datasets:
        dataset.prepare(progress=sys.stdout.isatty())


def warn_of_headers(datasets: Sequence[Dataset]) -> None:
    """Say on the terminal which images may lie elsewhere than their headers let readers believe.

    Raises:
        ValueError: an unusable file, named.
    """
    for dataset in datasets:
        for finding in doubtful_headers(dataset):
            print(f"sweep: {finding.level}: {dataset.name}: {printable(finding.message)}", file=sys.stderr)


def warn_of_labels(datasets: Sequence[Dataset]) -> None:
    """Say which label is absent from some scans: what learns to segment learns that, too. Reads every label map."""
    for dataset in datasets:
        for finding in check_labels(dataset):
            print(f"sweep: {finding.level}: {dataset.name}: {printable(finding.message)}", file=sys.stderr)


def require_pairs(dataset: Dataset, split: str) -> None:
    """Refuse a split without pairs.

    Raises:
        ValueError: there are none.
    """
    if not dataset.pairs(split):
        raise ValueError(f"{dataset.name}: split {split!r} must hold pairs of different subjects, it has none")


def dataset_entry(dataset: Dataset) -> Json:
    """What a study says of its dataset."""
    labels = {str(value): name for value, name in dataset.labels.items()}
    about = {"title": dataset.title, "source": dataset.source, "licence": dataset.licence, "labels": labels}
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    return dataset.configuration() | {"synthetic": dataset.synthetic} | about | grid
