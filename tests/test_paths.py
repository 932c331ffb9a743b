"""Paths as people write them, the same for every command."""

import argparse
from pathlib import Path

import pytest

from experiments.export import main as export
from fusemorph.cli import main as fusemorph
from fusemorph.paths import path_argument
from reports.__main__ import main as reports


def test_a_tilde_is_expanded_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_argument("~/x") == tmp_path / "x"
    assert path_argument("a/~b") == Path("a/~b")


@pytest.mark.parametrize("text", ["", "\0", "x" * 256, "x/" * 3000])
def test_what_is_no_path_is_said_in_one_short_line(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a path") as refused:
        path_argument(text)
    assert len(str(refused.value)) < 250


def test_every_command_expands_the_paths_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder that is not there is named where it would be, below the home and not below a folder called ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: reports(["--out=~/out", "~/runs"]),
        lambda: export(["~/runs", "study", "~/out"]),
        lambda: fusemorph(["check", "folder", "--data=~/runs"]),
        lambda: fusemorph(["register", "~/runs/a.nii.gz", "~/runs/b.nii.gz", "--method=~/runs/KEY", "--out=~/out"]),
    ):
        assert call() != 0
        output = capsys.readouterr()
        assert str(tmp_path / "runs") in output.out + output.err
    assert not (tmp_path / "~").exists()
