"""Image sets by name: each is an entry of the catalogue, a file with one ``Dataset``."""

from pathlib import Path
from typing import Any

from fusemorph.catalogue import DATASETS, entries, load_entry
from fusemorph.data.dataset import Dataset, Pair, PairIndex, Scan
from fusemorph.data.errors import DataError
from fusemorph.data.labelled import LABELLED
from fusemorph.data.masked import MASKED, with_masked
from fusemorph.data.settings import ATLAS, parse_setting
from fusemorph.paths import expanded

__all__ = ["DataError", "Dataset", "Pair", "PairIndex", "Scan", "known_datasets", "open_dataset", "parse_setting"]


def known_datasets() -> tuple[str, ...]:
    """Names of the datasets, without importing or opening any."""
    return tuple(entries(DATASETS))


def open_dataset(
    name: str, data: str | Path | None = None, *, cache: str | Path | None = None, **settings: Any
) -> Dataset:
    """Open a dataset by name; ``data`` is its folder, where it needs one. ``~`` is the home folder in both paths.

    Every data set has the settings ``labelled``: whose labels training may see, see ``Dataset.with_labelled``; and
    ``atlas``: the fixed image of all pairs, see ``Dataset.with_atlas``; ``masked``: what masks limit, see
    ``fusemorph.data.masked``.

    Raises:
        ValueError: an unknown name or setting, or a file that is no entry.
        DataError: a folder or file of images that is unusable, named.
    """
    folder, kept = (None if path is None else expanded(path) for path in (data, cache))
    labelled, atlas, masked = (settings.pop(name, None) for name in (LABELLED, ATLAS, MASKED))
    dataset: Dataset = load_entry(DATASETS, name, Dataset)(folder, cache=kept, **settings)
    dataset = dataset if atlas is None else dataset.with_atlas(atlas)
    dataset = dataset if masked is None else with_masked(dataset, masked)
    return dataset if labelled is None else dataset.with_labelled(labelled)
