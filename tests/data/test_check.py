"""The check's findings and exit status."""

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from fusemorph.bounds import sides, size
from fusemorph.cli import main
from fusemorph.data import open_dataset
from fusemorph.data.check import cache_bytes, check
from fusemorph.data.datasets.folder import Folder
from fusemorph.data.datasets.hippocampus import Hippocampus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Folder.example(tmp_path / "set")["data"]


def run(name: str, data: Path, *more: str) -> int:
    return main(["check", name, "--data", str(data), "--cache", str(data.parent / "cache"), *more])


def test_a_fit_folder_is_summarised(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("folder", folder) == 0
    output = capsys.readouterr().out
    for words in (
        "4 train, 3 val, 2 test",
        "20x24x20 to 20x24x20",
        "1x1x1 (5), 1.25x1.25x1.25 (4)",
        "RAS (9)",
        "2: 1, 2",
    ):
        assert words in output
    assert "note: 2 spacings; all are resampled to one" in output
    assert output.endswith("folder: fit\n")


def test_settings_are_read_as_json_as_numbers_or_as_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("folder", folder, "--set", "spacing_mm=2,2,2", "--set", "shape=[24, 24, 24]", "--set", "foreground=labels")
        == 0
    )
    assert "24x24x24 at 2x2x2 mm" in capsys.readouterr().out


def test_every_bad_file_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train0", "test1"):
        (folder / "images" / f"{name}.nii.gz").write_bytes(b"no image")
    assert run("folder", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "error", "folder"]
    assert "train0.nii.gz" in lines[1]
    assert lines[-1] == "folder: unfit, 2 errors"


def test_files_that_are_read_late_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = Hippocampus.example(tmp_path / "set")
    for number in ("001", "311"):
        (tmp_path / "set" / "imagesTr" / f"hippocampus_{number}.nii.gz").write_bytes(b"no image")
    assert run("hippocampus", tmp_path / "set", "--set", f"shape={json.dumps(arguments['shape'])}") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True, True, False]


def test_what_is_missing_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Hippocampus.example(tmp_path / "set")
    assert run("hippocampus", tmp_path / "set") == 0
    assert "warning: 57 of the 60 volumes of test (ids 311 on) are missing" in capsys.readouterr().out


@pytest.mark.parametrize(("other", "level"), [("test1", "error"), ("train2", "warning")])
def test_one_image_under_two_names_is_found(folder: Path, other: str, level: str) -> None:
    for part in ("images", "labels"):
        path = folder / part / "train3.nii.gz"
        path.write_bytes((folder / part / f"{other}.nii.gz").read_bytes())
    found = [
        finding
        for finding in check("folder", folder, cache=folder.parent / "cache")
        if "same content" in finding.message
    ]
    assert [finding.level for finding in found] == [level]
    assert f"{other}.nii.gz" in found[0].message


def test_an_absent_label_and_a_wild_scale_are_found(folder: Path) -> None:
    paths = [folder / part / "train3.nii.gz" for part in ("labels", "images")]
    labels, image = (nib.Nifti1Image.from_filename(path) for path in paths)
    nib.Nifti1Image(np.minimum(np.asarray(labels.dataobj), 1), labels.affine).to_filename(paths[0])
    nib.Nifti1Image(np.asarray(image.dataobj) * 1e4, image.affine).to_filename(paths[1])
    messages = [finding.message for finding in check("folder", folder, cache=folder.parent / "cache")]
    assert "label 2 (2) is absent from 1 scan, the first is train3" in messages
    assert any(message.startswith("intensity maxima from ") for message in messages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_brains"], "unknown data set 'no_brains'; known: abide"),
        (["folder"], "'data' must be a folder"),
        (["virtual_brains", "--set", "colour=3"], "settings of 'virtual_brains' must be among"),
        (["virtual_brains", "--set", "colour"], "--set must be KEY=VALUE, got 'colour'"),
        (["folder", "--data", ".", "--set", "shape=24"], "folder: 'shape' must be of type tuple of int, got 24"),
        (["virtual_brains", "--set", "train=many"], "'train' must be of type int, got 'many'"),
    ],
)
def test_a_wrong_call_is_status_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_says_nothing_about_the_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "cache").write_text("")
    assert run("folder", folder) == 2
    output = capsys.readouterr()
    assert "cannot write" in output.err
    assert "fit" not in output.out


@pytest.mark.parametrize("name", ["cache", "data", "name", "self", "shape2"])
def test_a_setting_that_is_none_lists_the_known(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "virtual_brains", "--set", f"{name}=1"]) == 2
    message = capsys.readouterr().err
    assert "settings of 'virtual_brains' must be among ['spacing_mm', " in message
    assert message.count("\n") == 1


def test_a_path_that_no_file_system_holds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "folder", "--data", "a" * 5000])
    assert ended.value.code == 2
    assert "argument --data: must be a path of 4095 bytes at most" in capsys.readouterr().err.splitlines()[-1]


def test_what_preprocessed_scans_take_of_the_disk_is_foretold(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = folder.parent / "cache"
    dataset = open_dataset("folder", folder, cache=cache)
    dataset.prepare()
    arrays = [path for path in (cache / "scans").glob("*/*.npy") if path.stem in ("image", "labels")]
    assert cache_bytes(dataset) == sum(np.load(path).nbytes for path in arrays)
    assert run("folder", folder) == 0
    assert f"{size(cache_bytes(dataset))} on the disk, 9 scans of {sides(dataset.shape)}" in capsys.readouterr().out
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1024))
    assert run("folder", folder) == 0
    assert "1 KiB are free in" in capsys.readouterr().err
