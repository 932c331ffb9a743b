"""A data set's own example on disk, for the contract tests."""

from pathlib import Path
from typing import Any

from fusemorph.catalogue import DATASETS, load_entry
from fusemorph.data import Dataset, known_datasets, open_dataset

NAMES = known_datasets()


def kind(name: str) -> type[Dataset]:
    return load_entry(DATASETS, name, Dataset)


class Example:
    """A dataset's example on disk, opened as often as wanted."""

    def __init__(self, name: str, folder: Path, cache: Path) -> None:
        self.name, self.cache = name, cache
        self.arguments = kind(name).example(folder)

    def open(self, **settings: Any) -> Dataset:
        return open_dataset(self.name, **({"cache": self.cache} | self.arguments | settings))
