"""What ``check`` says of single files, and of those that it does not use; and what stops it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.cli import main
from fusemorph.data.check import check
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.datasets.adhd200 import Adhd200
from fusemorph.data.datasets.hippocampus import Hippocampus
from tests.data.folder_files import fill
from tests.data.made_headers import write_raw

STRAIGHT = np.diag([1.0, 1.0, 1.0, 1.0])


def messages(name: str, data: Path, **settings: object) -> list[str]:
    return [
        f"{finding.level}: {finding.message}" for finding in check(name, data, cache=data.parent / "cache", **settings)
    ]


def again(path: Path, array: np.ndarray | None = None, **header: Any) -> None:
    """Write an image anew, with another array or header."""
    old = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    data = write_raw(path.with_name("new.nii"), old if array is None else array, **header).read_bytes()
    path.with_name("new.nii").unlink()
    path.write_bytes(data)


def test_scans_that_readers_place_apart_are_listed(folder: Path) -> None:
    fill(folder, 10)
    moved = STRAIGHT.copy()
    moved[0, 3] = 12
    for name in ("s01", "s02"):
        for part in ("images", "labels"):
            again(folder / part / f"{name}.nii.gz", sform=STRAIGHT, qform=moved, sform_code=2, qform_code=1)
    for part in ("images", "labels"):
        again(folder / part / "s03.nii.gz", sform=STRAIGHT)
        again(folder / part / "s04.nii.gz", sform=STRAIGHT / 1000, sform_code=1, xyzt_units=1)
    found = messages("folder", folder)
    for name in ("s01", "s02"):
        lines = [line for line in found if f"images/{name}.nii.gz: ITK and nibabel place it 12 mm apart" in line]
        assert len(lines) == 1
        assert lines[0].startswith("warning: ")
        assert "--header" in lines[0]
    assert any(line.startswith("warning: 2 files have neither sform nor qform (both codes are 0)") for line in found)
    assert any(line.startswith("note: 2 files give sizes in metres or microns") for line in found)


def test_stray_voxels_and_labels_that_are_not_whole_are_noted(folder: Path) -> None:
    fill(folder, 10)
    image, labels = (folder / part / "s05.nii.gz" for part in ("images", "labels"))
    padded = np.zeros((20, 24, 20), np.float32)
    padded[4:-4, 4:-4, 4:-4] = np.abs(np.asarray(nib.Nifti1Image.from_filename(image).dataobj)[4:-4, 4:-4, 4:-4]) + 1
    padded[0, 0, 0] = -1
    again(image, padded, sform=STRAIGHT, sform_code=1)
    again(labels, np.asarray(nib.Nifti1Image.from_filename(labels).dataobj) * 1.00000006, sform=STRAIGHT, sform_code=1)
    found = messages("folder", folder)
    assert any(line.startswith("note: 1 file holds a few voxels below their background") for line in found)
    assert any(line.startswith("note: 1 file holds labels that are not whole numbers: rounded") for line in found)


@pytest.mark.parametrize("value", [0.9, 40001, -1, np.nan, 1e30])
def test_a_label_that_cannot_be_is_named_with_its_value(value: float, folder: Path) -> None:
    fill(folder, 10)
    labels = folder / "labels" / "s05.nii.gz"
    array = np.asarray(nib.Nifti1Image.from_filename(labels).dataobj).astype(np.float64)
    array[3, 3, 3] = value
    again(labels, array, sform=STRAIGHT, sform_code=1)
    assert f"error: {labels}: labels must be whole numbers from 0 to 32767, got {value:.9g}" in messages(
        "folder", folder
    )


def test_one_voxel_moves_neither_the_foreground_nor_the_intensities(folder: Path, tmp_path: Path) -> None:
    from fusemorph.data import open_dataset

    def made(name: str, **voxels: float) -> tuple[tuple[int, ...], np.ndarray]:
        place = tmp_path / name
        rng = np.random.default_rng(0)
        for n in range(10):
            image = np.zeros((40, 40, 40), np.float32)
            image[6:34, 6:34, 6:34] = rng.uniform(50, 100, (28, 28, 28))
            image[0, 0, 0] = voxels.get("low", 0)
            image[-1, -1, -1] = voxels.get("high", 0)
            (place / "images").mkdir(parents=True, exist_ok=True)
            write_raw(place / "images" / f"s{n}.nii", image, sform=STRAIGHT, sform_code=1)
        dataset = open_dataset("folder", place, cache=tmp_path / "cache")
        return dataset.shape, dataset.scan(dataset.scan_ids("train")[0]).image

    shape, image = made("plain")
    assert shape == (28, 28, 28)
    for name, voxels in {"low": {"low": -5.0}, "high": {"high": 70.0}, "both": {"low": -5.0, "high": 9.0}}.items():
        assert made(name, **voxels)[0] == shape
        np.testing.assert_allclose(made(name, **voxels)[1], image, atol=0.01)


def test_every_file_of_the_folder_is_accounted_for(folder: Path) -> None:
    fill(folder, 10)
    for name in ("notes.txt", "images/.DS_Store", "images/deep/more.nii.gz", "images/scan.mha", "images/._s00.nii.gz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    found = messages("folder", folder)
    unnamed = "are not named by the layout and left out"
    assert f"warning: 2 images of {folder} {unnamed}: images/scan.mha, images/deep/more.nii.gz" in found
    assert f"note: 3 other files of {folder} are not used: notes.txt, images/.DS_Store, images/._s00.nii.gz" in found


def test_a_plain_folder_has_nothing_left_out(folder: Path) -> None:
    fill(folder, 10)
    assert messages("folder", folder) == []


def test_images_beside_the_layout_of_a_data_set_are_named(tmp_path: Path) -> None:
    data = Hippocampus.example(tmp_path / "set")["data"]
    (data / "imagesTs").mkdir()
    for name in ("imagesTr/hippocampus_005.NII.GZ", "imagesTs/hippocampus_002.nii.gz", "dataset.json"):
        (data / name).write_bytes(b"")
    found = messages("hippocampus", data, shape=(24, 24, 24))
    images = "imagesTr/hippocampus_005.NII.GZ, imagesTs/hippocampus_002.nii.gz"
    assert f"warning: 2 images of {data} are not named by the layout and left out: {images}" in found
    assert not any("dataset.json" in each for each in found)


def test_functional_scans_are_said_to_be_such(tmp_path: Path) -> None:
    arguments = Adhd200.example(tmp_path / "set")
    found = messages("adhd200", arguments.pop("data"), **arguments)
    rest = "WashU_0026001_1/rest_1/NIfTI/rest.nii.gz"
    assert f"note: 1 image of {tmp_path / 'set'} is left out as functional: {rest}" in found


@pytest.mark.parametrize("number", ["9" * 60, "0", "12345", "١"])
def test_a_number_that_no_hippocampus_has_is_named(number: str, tmp_path: Path) -> None:
    data = Hippocampus.example(tmp_path / "set")["data"]
    for part in ("imagesTr", "labelsTr"):
        (data / part / f"hippocampus_{number}.nii.gz").write_bytes(b"")
    assert [line for line in messages("hippocampus", data) if "must be named hippocampus_NNN.nii.gz" in line]


def test_a_patient_in_training_and_in_testing_is_named(tmp_path: Path) -> None:
    data = Acdc.example(tmp_path / "set")["data"]
    (data / "training" / "patient101").mkdir()
    training, testing = (data / part / "patient101" for part in ("training", "testing"))
    assert messages("acdc", data) == [f"error: {testing}: is {training} again; keep one of them"]


def test_an_info_of_five_thousand_digits_is_named(tmp_path: Path) -> None:
    data = Acdc.example(tmp_path / "set")["data"]
    (data / "training" / "patient001" / "Info.cfg").write_text(f"ED: {'1' * 5000}\nES: 9\n")
    assert messages("acdc", data)[0].startswith(
        f"error: {data / 'training' / 'patient001' / 'Info.cfg'}: must name two frames"
    )


@pytest.mark.parametrize("spacing_mm", [0.001, 30.0, 1000.0])
def test_a_spacing_that_no_grid_fits_is_named_before_anything_is_allocated(spacing_mm: float, folder: Path) -> None:
    fill(folder, 10)
    for part in ("images", "labels"):
        again(folder / part / "s05.nii.gz", sform=np.diag([*[spacing_mm] * 3, 1.0]), sform_code=1)
    found = messages("folder", folder, spacing_mm=(1.0, 1.0, 1.0))
    assert len(found) == 1
    assert found[0].startswith(
        f"error: {folder / 'images' / 's05.nii.gz'}: at 1 x 1 x 1 mm (its spacing is {spacing_mm:g}"
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("shape=100000,100000,100000", "'shape' must be smaller: a grid of 100000x100000x100000 voxels"),
        ("spacing_mm=1e-9,1,1", "at 1e-09 x 1 x 1 mm"),
        ("spacing_mm=1e-300,1,1", "at 1e-300 x 1 x 1 mm"),
        ("seed=-1", "'seed' must be 0 or more"),
        ("seed=4294967296", "less than 2**32, got 4294967296"),
    ],
)
def test_a_setting_that_no_memory_holds_is_named(
    setting: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(folder, 10)
    status = main(["check", "folder", "--data", str(folder), "--cache", str(folder.parent / "cache"), "--set", setting])
    out = capsys.readouterr()
    assert status in (1, 2)
    assert words in out.out + out.err


def test_ctrl_c_is_one_line_and_leaves_nothing_behind(folder: Path) -> None:
    fill(folder, 120, shape=(40, 40, 40))
    cache = folder.parent / "cache"
    call = [sys.executable, "-m", "fusemorph", "check", "folder", "--data", str(folder), "--cache", str(cache)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None and not (cache / "scans").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert (out, err) == ("", "fusemorph check: interrupted\n")
    assert [path for path in cache.rglob(".*") if path.name != ".gitignore"] == []
