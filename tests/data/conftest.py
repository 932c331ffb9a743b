"""What the tests of folders share."""

from pathlib import Path

import pytest

from fusemorph.data import open_dataset
from tests.data.folder_files import Open


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "set"


@pytest.fixture
def opened(folder: Path, tmp_path: Path) -> Open:
    return lambda **settings: open_dataset("folder", folder, cache=tmp_path / "cache", **settings)
