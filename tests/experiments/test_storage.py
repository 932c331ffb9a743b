"""Room on the storage, asked for before anything starts."""

from pathlib import Path

import pytest

from experiments.runner.storage import require_space
from experiments.sweep import main
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


@pytest.mark.parametrize("inside", ["", "runs"])
@pytest.mark.parametrize(
    ("kind", "message"), [("file", "is a file"), ("nowhere", "is a broken link"), ("loop", "Too many levels")]
)
def test_what_can_be_no_folder_is_refused_by_a_dry_run_too(
    kind: str, message: str, inside: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("kept")
    else:
        place.symlink_to("place" if kind == "loop" else "missing")
    assert main(["quickstart", "--budget", "smoke", "--runs", str(place / inside), "--dry-run"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert f"--runs: {place / inside}: must be a folder" in errors[0]
    assert message in errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
