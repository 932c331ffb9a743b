"""Examples of every data set."""

from pathlib import Path

import pytest

from tests.contracts.dataset_example import NAMES, Example, kind


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path: Path, brains_cache: Path) -> Example:
    return Example(request.param, tmp_path / "data", brains_cache)


@pytest.fixture(params=[name for name in NAMES if not kind(name).synthetic])
def filed(request: pytest.FixtureRequest, tmp_path: Path, brains_cache: Path) -> Example:
    """An example of a dataset that reads files."""
    return Example(request.param, tmp_path / "data", brains_cache)
