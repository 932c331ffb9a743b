"""The data sets of a sweep: opened as its options say, checked, and described for records."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.runner.options import DataOptions
from fusemorph.configuration import Json
from fusemorph.data import open_dataset
from fusemorph.data.curation import overlaps
from fusemorph.data.dataset import Dataset
from fusemorph.data.errors import printable
from fusemorph.data.inspection import check_labels, doubtful_headers
from fusemorph.data.settings import beside_parameters


@dataclass(frozen=True, kw_only=True)
class Other:
    """A data set that is evaluated without being trained on, and which of its splits."""

    dataset: Dataset
    split: str

    @property
    def folder(self) -> str:
        """What its evaluations are called below a trial's ``eval``."""
        return f"{self.dataset.name}-{self.split}"


def open_datasets(
    options: DataOptions, default: str, default_settings: Mapping[str, Any] | None = None
) -> tuple[Dataset, ...]:
    """The data sets asked for, opened and checked as far as their folders tell; no image is read.

    The default one has settings of its own, below those of the options. Each selects on the data set of
    ``--select-on``, where that is given.

    Raises:
        ValueError: an unknown data set or setting, an unusable folder or one that is not asked for, or no pairs
            to select on.
    """
    names = options.datasets or (default,)
    _require_use(options, names)
    defaults = dict(default_settings or {}) if not options.datasets else {}
    datasets = tuple(_open(name, options, defaults) for name in names)
    if options.select_on:
        if options.select_on in names:
            raise ValueError(f"--select-on: {options.select_on} is the training data set, which is selected on anyway")
        selection = _open(options.select_on, options, {})
        datasets = tuple(dataset.selecting_on(selection) for dataset in datasets)
    for dataset in datasets:
        require_pairs(dataset.selection, "val")
    return datasets


def _require_use(options: DataOptions, trained_on: Sequence[str]) -> None:
    """Refuse folders and settings of data sets that do not take part.

    Raises:
        ValueError: naming them.
    """
    others = [_name_and_split(text)[0] for text in options.evaluate_on]
    names = list(dict.fromkeys([*trained_on, *([options.select_on] if options.select_on else []), *others]))
    owners = {name.partition(".")[0] for name in options.settings if "." in name}
    for option, named in (("--data", set(options.folders)), ("--set", owners)):
        if unused := sorted(named - set(names)):
            raise ValueError(f"{option} names {', '.join(unused)}, but the sweep runs on {', '.join(names)}")


def _open(name: str, options: DataOptions, defaults: Mapping[str, Any]) -> Dataset:
    """The data set, with the settings for all of them, then those that name it."""
    shared = {key: value for key, value in options.settings.items() if "." not in key}
    specific = {key.partition(".")[2]: value for key, value in options.settings.items() if key.startswith(f"{name}.")}
    passed = beside_parameters({**defaults, **shared, **specific})
    return open_dataset(name, options.folders.get(name), cache=options.cache, **passed)


def open_others(options: DataOptions, trained_on: Sequence[Dataset]) -> tuple[Other, ...]:
    """The data sets of ``--evaluate-on``, opened, each with the split that is evaluated; no image is read.

    The split is test by default, or val where test is not here or not whole.

    Raises:
        ValueError: one that is named twice or trained on, an unknown one or setting, images of another number of axes,
            or no pairs to test on.
    """
    others: list[Other] = []
    for text in options.evaluate_on:
        name, split = _name_and_split(text)
        if name in [dataset.name for dataset in trained_on]:
            raise ValueError(f"--evaluate-on: {name} is the training data set, which is evaluated anyway")
        dataset = next((other.dataset for other in others if other.dataset.name == name), None)
        dataset = dataset or _open(name, options, {})
        other = Other(dataset=dataset, split=split or ("val" if dataset.missing("test") else "test"))
        if other in others:
            raise ValueError(f"--evaluate-on: {name}-{other.split} is named more than once")
        if len(dataset.shape) != len(trained_on[0].shape):
            raise ValueError(
                f"--evaluate-on: {name} has {len(dataset.shape)}-D images, {trained_on[0].name} that is trained on has "
                f"{len(trained_on[0].shape)}-D ones"
            )
        require_pairs(dataset, other.split)
        others.append(other)
    return tuple(others)


def _name_and_split(text: str) -> tuple[str, str]:
    name, _, split = text.rpartition("-")
    return (name, split) if name and split in ("val", "test") else (text, "")


def taking_part(trained_on: Sequence[Dataset], others: Sequence[Other]) -> list[Dataset]:
    """All data sets whose images are read, each once: trained on, selected on, evaluated on."""
    every = [*trained_on, *(dataset.selection for dataset in trained_on), *(other.dataset for other in others)]
    return list({id(dataset): dataset for dataset in every}.values())


def warn_of_overlaps(trained_on: Sequence[Dataset], others: Sequence[Other]) -> None:
    """Say on the terminal which data sets show some of the same people, so that testing on them leaks."""
    for dataset in trained_on:
        shared = overlaps(dataset.name)
        for name in dict.fromkeys(other.dataset.name for other in others if other.dataset.name in shared):
            print(f"sweep: warning: trained on {dataset.name}, tested on {name}: {shared[name]}", file=sys.stderr)


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
        raise ValueError(f"{dataset.name}: split {split!r} must hold pairs of different subjects, but has none")


def selection_split(dataset: Dataset) -> str:
    """The split that is selected on: ``val``, with the name of the data set where it is another one's."""
    return "val" if dataset.selection is dataset else f"{dataset.selection.name}-val"


def dataset_entry(dataset: Dataset) -> Json:
    """What a study says of its dataset."""
    labels = {str(value): name for value, name in dataset.labels.items()}
    about = {"title": dataset.title, "source": dataset.source, "licence": dataset.licence, "labels": labels}
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    return dataset.configuration() | {"synthetic": dataset.synthetic} | about | grid
