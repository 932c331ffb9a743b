"""A study is the same one wherever it is called from, however its paths are written, and wherever its data lie."""

import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from experiments.sweep import main
from fusemorph.data import open_dataset
from tests.data.folder_files import fill

ARMS = ("--arm", "identity", "--arm", "C2F match")


def slices(folder: Path) -> Path:
    """Six images of 2-D slices with labels, two for each split."""
    names = fill(folder, 6, shape=(20, 18))
    splits = [split for split in ("train", "val", "test") for _ in range(2)]
    rows = [f"{name},{name},{split}" for name, split in zip(names, splits, strict=True)]
    (folder / "splits.csv").write_text("\n".join(["image,person,split", *rows]) + "\n")
    return folder


def line(data: str, runs: str, cache: str, *more: str) -> list[str]:
    study = ["quickstart", "--budget", "smoke", *ARMS, "--dataset", "folder", "--data", f"folder={data}"]
    return [*study, "--name", "same", "--runs", runs, "--cache", cache, *more]


def contents(runs: Path) -> dict[Path, bytes]:
    """Of the records alone."""
    return {path: path.read_bytes() for path in runs.rglob("*") if path.is_file() and "reports" not in path.parts}


def states(table: str) -> dict[str, str]:
    """State of each trial of a dry run by its key."""
    rows = (re.search(r"\b([0-9a-f]{16})\b.*\b(finished|to do)\b", row) for row in table.splitlines())
    return {row[1]: row[2] for row in rows if row}


def test_a_study_is_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, elsewhere = slices(tmp_path / "home" / "set"), tmp_path / "home" / "work" / "deep"
    elsewhere.mkdir(parents=True)
    runs, cache = tmp_path / "home" / "runs", tmp_path / "home" / "cache"
    (tmp_path / "link").symlink_to(data.parent)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(line(str(data), str(runs), str(cache))) == 0
    fingerprint = open_dataset("folder", data, cache=cache).fingerprint()
    records = contents(runs)
    finished = {path.parent.name: "finished" for path in runs.glob("*/record.json")}
    assert len(finished) == 2
    capsys.readouterr()

    def look(working: Path, data: str, runs: str, cache: str) -> None:
        monkeypatch.chdir(working)
        assert main(line(data, runs, cache, "--dry-run")) == 0
        assert states(capsys.readouterr().out) == finished, (working, data)
        assert open_dataset("folder", data, cache=cache).fingerprint() == fingerprint

    look(tmp_path / "home", "set", "runs", "cache")
    look(elsewhere, "../../set", "../../runs", "../../set/../cache")
    look(elsewhere, str(tmp_path / "link" / "set"), str(tmp_path / "link" / "runs"), "~/cache")
    look(tmp_path, "~/set", "~/runs", "link/cache")
    moved = tmp_path / "disk" / "another name"
    moved.parent.mkdir()
    shutil.move(data, moved)
    look(tmp_path, "disk/another name", str(runs), str(cache))
    look(tmp_path, "disk/another name", str(runs), "new cache")
    assert contents(runs) == records


def test_headers_in_doubt_are_told_once_each_kind_with_a_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = slices(tmp_path / "set")
    for name, codes in (("s00", (0, 0)), ("s02", (0, 0)), ("s03", (2, 1))):
        for part in ("images", "labels"):
            path = data / part / f"{name}.nii.gz"
            image = nib.Nifti1Image.from_filename(path)
            image.set_sform(image.affine, code=codes[0])
            image.set_qform(image.affine @ np.diag([1, -1, 1, 1]), code=codes[1])
            nib.save(image, path)
    for more in (["--dry-run"], []):
        assert main(line(str(data), str(tmp_path / "runs"), str(tmp_path / "cache"), *more)) == 0
        messages = capsys.readouterr().err.splitlines()
        assert messages[0].startswith("sweep: warning: folder: 2 files are placed differently by ITK and nibabel")
        assert str(data / "images" / "s03.nii.gz") in messages[0]
        assert messages[1].startswith(
            "sweep: warning: folder: 4 files have neither sform nor qform (both codes are 0): "
        )
        assert str(data / "images" / "s00.nii.gz") in messages[1]
        assert len(messages) == 2


def test_a_label_that_16_bits_do_not_hold_stops_a_sweep_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = slices(tmp_path / "set")
    labels = data / "labels" / "s03.nii.gz"
    image = nib.Nifti1Image.from_filename(labels)
    array = np.asarray(image.dataobj).astype(np.int32)
    array[5, 5] = 40001
    nib.save(nib.Nifti1Image(array, image.affine), labels)
    for more in ([], ["--dry-run"]):
        assert main(line(str(data), str(tmp_path / "runs"), str(tmp_path / "cache"), *more)) == 2
        message = f"sweep: {labels}: labels must be whole numbers from 0 to 32767, got 40001"
        assert capsys.readouterr().err.splitlines() == [message]
        assert not (tmp_path / "runs").exists()
