"""What the tests of the report share."""

from pathlib import Path

import numpy as np
import pytest

import reports.plots.style
from tests.reports.records_fixture import write_records


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse PNG files, for tests that look at the page alone."""
    monkeypatch.setattr(reports.plots.style, "PNG_DPI", 30)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A small complete study."""
    write_records(tmp_path / "runs")
    return tmp_path / "runs"
