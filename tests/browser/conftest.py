"""Debian's Chromium, driven by playwright; it is there under ``nox -s browser`` alone, so only fixtures import it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.page import write_report

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4", "--budget", "smoke"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path is not None, f"one of {', '.join(NAMES)} must be installed"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small study of made-up brains, pictures and slices included."""
    runs = tmp_path_factory.mktemp("browser") / "runs"
    call = [sys.executable, "-m", "experiments.sweep", "quickstart", *SMALL, "--runs", str(runs)]
    subprocess.run([*call, "--cache", str(runs.parent / "cache")], check=True, cwd=ROOT)
    return write_report([runs], runs.parent / "out")


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the committed numbers of a study and of searches, one of a long name: no pictures."""
    results = ROOT / "experiments" / "results"
    return write_report(
        [results / name for name in ("fusion", "placement", "both")], tmp_path_factory.mktemp("committed")
    )
