"""Room on the storage, asked for before anything starts."""

from pathlib import Path

import pytest

from experiments.runner.storage import require_space
from fusemorph.records import StorageError


def test_space_is_required_before_anything_starts(tmp_path: Path) -> None:
    require_space(tmp_path / "runs", mib=1.0)
    with pytest.raises(StorageError, match="no space"):
        require_space(tmp_path / "runs", mib=1e12)
