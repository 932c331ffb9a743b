"""Settings for every test, and what is made once for all of them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# The number of threads changes the bits of a trained network, and the tests compare bits.
torch.set_num_threads(1)
# Ray's workers begin at niceness 15, where they hardly run beside the other tests.
os.environ.setdefault("RAY_worker_niceness", "0")


@pytest.fixture(scope="session")
def brains_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the virtual brains, whose template takes seconds to read and resample."""
    return tmp_path_factory.mktemp("brains")


@pytest.fixture
def svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures as SVG without PNG and PDF, which take half of a report's time, for tests that look at the page alone."""
    monkeypatch.setattr("reports.plots.style.FILES", {})


@pytest.fixture(scope="module")
def no_token() -> Iterator[None]:
    """Keep Ray from leaving a token in the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield
