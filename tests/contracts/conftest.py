"""Examples of every data set."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.contracts.dataset_example import NAMES, Example, kind


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, brains_cache: Path) -> Callable[..., Example]:
    """The example of a data set, in one of its layouts, written once; tests work on copies of it."""
    return cache(lambda name, *variant: Example(name, tmp_path_factory.mktemp(name) / "data", brains_cache, *variant))


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path: Path, written: Callable[..., Example]) -> Example:
    return written(request.param).copied(tmp_path / "data")


@pytest.fixture(params=[name for name in NAMES if not kind(name).synthetic])
def filed(request: pytest.FixtureRequest, tmp_path: Path, written: Callable[..., Example]) -> Example:
    """An example of a dataset that reads files."""
    return written(request.param).copied(tmp_path / "data")
