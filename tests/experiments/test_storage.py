"""Room on the storage, asked for before anything starts."""

from pathlib import Path

import pytest

from experiments.runner.storage import require_space
from fusemorph.storage import StorageError


def test_space_is_required_before_anything_starts(tmp_path: Path) -> None:
    require_space(tmp_path / "runs", mib=1.0)
    with pytest.raises(StorageError, match="no space"):
        require_space(tmp_path / "runs", mib=1e12)


def test_storage_without_atomic_renames_or_creation_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(path: Path, target: Path) -> None:
        target.write_bytes(path.read_bytes())

    monkeypatch.setattr(Path, "replace", copied)
    with pytest.raises(StorageError, match="does not replace a file by renaming another; choose another one"):
        require_space(tmp_path / "runs", mib=1.0)
    assert not list((tmp_path / "runs").iterdir())
