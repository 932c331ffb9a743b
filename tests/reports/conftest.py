"""What the tests of the report share."""

from pathlib import Path

import numpy as np
import pytest

from tests.reports.records_fixture import write_records


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A small complete study."""
    write_records(tmp_path / "runs")
    return tmp_path / "runs"
