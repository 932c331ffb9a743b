"""Image sets by name: one dataset a file, each a ``Dataset`` whose class is its module's name in camel case."""

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

from fusemorph.data import datasets
from fusemorph.data.dataset import Dataset, Pair, PairIndex, Scan
from fusemorph.data.errors import DataError
from fusemorph.data.settings import parse_setting

__all__ = ["DataError", "Dataset", "Pair", "PairIndex", "Scan", "known_datasets", "open_dataset", "parse_setting"]


def known_datasets() -> tuple[str, ...]:
    """Names of the datasets, without importing or opening any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(datasets.__path__)))


def open_dataset(name: str, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> Dataset:
    """Open a dataset by name; ``data`` is its folder, where it needs one.

    Raises:
        ValueError: an unknown name or setting.
        DataError: a folder or file that cannot serve, named.
    """
    if name not in known_datasets():
        raise ValueError(f"open_dataset(): 'name' must be among {list(known_datasets())}, got {name!r}")
    kind = getattr(import_module(f"{datasets.__name__}.{name}"), name.title().replace("_", ""))
    dataset: Dataset = kind(data, cache=cache, **settings)
    return dataset
