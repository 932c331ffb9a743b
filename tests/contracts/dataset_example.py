"""A data set's own example on disk, for the contract tests."""

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib

from fusemorph.catalogue import DATASETS, load_entry
from fusemorph.data import Dataset, known_datasets, open_dataset

NAMES = known_datasets()
UNLABELLED = frozenset({"abide", "adhd200", "adni", "brains", "ixi"})
"""Data sets without any labels."""


def kind(name: str) -> type[Dataset]:
    return load_entry(DATASETS, name, Dataset)


VARIANTS = [
    *((name,) for name in NAMES if not kind(name).variants),
    *((name, variant) for name in NAMES for variant in kind(name).variants),
]
"""Each data set, in each of its layouts."""


class Example:
    """A dataset's example on disk, opened as often as wanted."""

    def __init__(self, name: str, folder: Path, cache: Path, *variant: str) -> None:
        self.name, self.cache = name, cache
        self.arguments = kind(name).example(folder, *variant)

    def copied(self, folder: Path) -> "Example":
        """The same example elsewhere, which is quicker than to write it again."""
        copy = object.__new__(Example)
        copy.name, copy.cache, copy.arguments = self.name, self.cache, dict(self.arguments)
        if "data" in self.arguments:
            copy.arguments["data"] = shutil.copytree(self.arguments["data"], folder)
        return copy

    def open(self, **settings: Any) -> Dataset:
        return open_dataset(self.name, **({"cache": self.cache} | self.arguments | settings))


def opened(path: Path) -> nib.Nifti1Image | nib.MGHImage:
    """An image file of either format."""
    kind = nib.MGHImage if path.name.endswith(".mgz") else nib.Nifti1Image
    return kind.from_filename(path, mmap=False)  # it may be written to while its voxels are read
