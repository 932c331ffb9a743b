"""ACDC: its official layout on made-up volumes, and its known figures on the real ones (``images``)."""

import os
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data import open_dataset as open_any
from fusemorph.data.check import check
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.listed import ListedDataset
from fusemorph.metrics import dice_per_label

REAL = Path(os.environ.get("FUSEMORPH_DATA") or Path(__file__).parents[4] / "shared" / "data") / "ACDC"


def open_dataset(*arguments: Any, **settings: Any) -> ListedDataset:
    dataset = open_any(*arguments, **settings)
    assert isinstance(dataset, ListedDataset)
    return dataset


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    return Acdc.example(tmp_path / "ACDC") | {"cache": tmp_path / "cache"}


def copy_patient(data: Path, old: str, new: str) -> None:
    folder = data / "training" / new
    shutil.copytree(data / "training" / old, folder)
    for path in folder.glob("patient*"):
        path.rename(folder / path.name.replace(old, new))


def test_patients_are_split_and_paired_within_themselves(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("acdc", **arguments)
    assert dataset.scan_ids("val") == ("patient003_ED", "patient003_ES", "patient006_ED", "patient006_ES")
    assert dataset.scan_ids("test") == ("patient101_ED", "patient101_ES", "patient102_ED", "patient102_ES")
    names = [(index.name, index.block) for index in dataset.pairs("val")]
    assert names == [
        ("patient003_ED<-patient003_ES", "01"),
        ("patient003_ES<-patient003_ED", "01"),
        ("patient006_ED<-patient006_ES", "02"),
        ("patient006_ES<-patient006_ED", "02"),
    ]


def test_a_scan_read_twice_is_one_subject_in_one_split_and_not_mixed(arguments: dict[str, Any]) -> None:
    copy_patient(arguments["data"], "patient002", "patient074")
    copy_patient(arguments["data"], "patient002", "patient076")
    dataset = open_dataset("acdc", **arguments)
    assert dataset.subject("patient074_ED") == dataset.subject("patient076_ES") == "074"
    pairs = [index for index in dataset.pairs("train") if "07" in index.name]
    assert {index.fixed[:10] == index.moving[:10] for index in pairs} == {True}
    assert (len(pairs), len({index.block for index in pairs})) == (4, 1)


def test_a_patient_has_one_window_that_holds_both_hearts(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("acdc", **arguments)
    first, second = (dataset.scan(f"patient001_{phase}") for phase in ("ED", "ES"))
    assert np.array_equal(first.affine, second.affine)
    for scan_id in dataset.scan_ids("train"):
        labels = dataset.scan(scan_id).labels
        assert labels is not None
        original = nib.Nifti1Image.from_filename(dataset.files(scan_id)[1])
        assert np.count_nonzero(labels) == np.count_nonzero(np.asarray(original.dataobj))


def test_a_grid_that_is_too_shallow_names_the_file(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("acdc", **(arguments | {"shape": [8, 8, 8]}))
    with pytest.raises(DataError, match=r"patient\d+_frame\d+_gt\.nii\.gz: the grid \(8, 8, 8\) would lose"):
        dataset.prepare()


def test_spacing_is_that_of_train_and_val(arguments: dict[str, Any]) -> None:
    for path in (arguments["data"] / "testing").glob("*/*.nii.gz"):
        image = nib.Nifti1Image.from_filename(path)
        nib.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([2, 2, 2, 1])).to_filename(path)
    assert open_dataset("acdc", **arguments).spacing_mm == (1.0, 1.0, 1.0)
    assert open_dataset("acdc", **(arguments | {"spacing_mm": [2, 2, 1]})).spacing_mm == (2.0, 2.0, 1.0)


def test_absent_patients_are_counted(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("acdc", **arguments)
    assert dataset.missing("train") == ("64 of the 67 patients of train are missing, the first is patient005",)
    assert dataset.missing("test") == ("48 of the 50 patients of test are missing, the first is patient103",)
    assert dataset.missing("exam") == ("acdc has no split 'exam' here",)


@pytest.mark.parametrize("text", ["", "ED: 1\n", "ED: 1\nES: 1\n", "ED: x\nES: 9\n"])
def test_an_info_that_names_no_two_frames_is_named(arguments: dict[str, Any], text: str) -> None:
    (arguments["data"] / "training" / "patient002" / "Info.cfg").write_text(text)
    with pytest.raises(DataError, match=r"patient002/Info\.cfg: must name two frames"):
        open_dataset("acdc", **arguments)


def test_what_the_layout_lacks_has_its_line(arguments: dict[str, Any]) -> None:
    training = arguments["data"] / "training"
    (training / "patient001" / "Info.cfg").unlink()
    for path in (training / "patient004").glob("*frame09*"):
        path.unlink()
    with pytest.raises(DataError) as caught:
        open_dataset("acdc", **arguments)
    assert [line.rpartition("/")[2] for line in str(caught.value).splitlines()] == [
        "Info.cfg: cannot be read (No such file or directory)",
        "patient004_frame09.nii.gz: no such file",
    ]
    (training / "patient004").rename(training / "patient999")
    with pytest.raises(DataError, match="patient999: must be named patientNNN"):
        open_dataset("acdc", **arguments)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shape": [128, 128]}, "'shape' must be 3 sides of 8 or more"),
        ({"spacing_mm": [1, 0, 1]}, "'spacing_mm' must be 3 positive numbers"),
        ({"percentiles": [99, 1]}, "'percentiles' must increase and lie between 0 and 100"),
    ],
)
def test_a_setting_against_its_rule_is_named(arguments: dict[str, Any], setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset("acdc", **(arguments | setting))


def test_check_says_where_the_spacing_was_lost(arguments: dict[str, Any]) -> None:
    said = "all headers say 1x1x1 mm, as in copies that have lost their spacing"
    assert any(said in finding.message for finding in check("acdc", **arguments))
    rows = [f"{number},1.5,1.5,9" for number in (1, 2, 3, 4, 6, 101, 102)]
    (arguments["data"] / "spacings.csv").write_text("\n".join(["patient,x_mm,y_mm,z_mm", *rows]))
    assert not any(said in finding.message for finding in check("acdc", **arguments))


def test_a_table_gives_the_spacing_that_a_copy_lacks(arguments: dict[str, Any]) -> None:
    before = open_dataset("acdc", **arguments)
    rows = [f"{number},1.5,1.5,{8 + number % 3}" for number in (1, 2, 3, 4, 6, 101, 102)]
    (arguments["data"] / "spacings.csv").write_text("\n".join(["patient,x_mm,y_mm,z_mm", *rows]))
    dataset = open_dataset("acdc", **arguments)
    assert dataset.spacing_mm == (1.5, 1.5, 9.0)
    assert dataset.fingerprint() != before.fingerprint()
    image = dataset.read("patient001_ED")[0]
    assert image.spacing_mm == (1.5, 1.5, 9.0)
    assert np.allclose(image.affine[:3, 3] + image.affine[:3, :3] @ [11.5, 9.5, 3.5], [11.5, 9.5, 3.5])


@pytest.mark.parametrize("row", ["1,1.5,1.5,", "one,1.5,1.5,10", "1,1.5,1.5,1000", "1,1.5,x,10"])
def test_a_table_of_spacings_that_cannot_be_is_named(arguments: dict[str, Any], row: str) -> None:
    (arguments["data"] / "spacings.csv").write_text(f"patient,x_mm,y_mm,z_mm\n{row}\n")
    with pytest.raises(DataError, match=r"spacings\.csv, row 2: ('z_mm' is empty|must give a patient)"):
        open_dataset("acdc", **arguments)


def test_spacing_is_that_of_the_headers_of_official_files(arguments: dict[str, Any]) -> None:
    for path in arguments["data"].glob("*/*/*.nii.gz"):
        image = nib.Nifti1Image.from_filename(path)
        nib.Nifti1Image(np.asarray(image.dataobj), np.diag([1.4, 1.4, 10.0, 1.0])).to_filename(path)
    assert open_dataset("acdc", **arguments).spacing_mm == (1.4, 1.4, 10.0)
    paper = open_dataset("acdc", **(arguments | {"protocol": "paper"}))
    assert (paper.spacing_mm, paper.shape) == ((1.5, 1.5, 3.15), (24, 24, 16))
    assert open_dataset("acdc", arguments["data"], cache=arguments["cache"], protocol="paper").shape == (128, 128, 32)


def test_a_frame_that_is_no_file_is_taken_from_the_series(arguments: dict[str, Any]) -> None:
    """Frames of ``Info.cfg`` are counted from 1: frame 9 is the ninth volume."""
    before = open_dataset("acdc", **arguments)
    patient = arguments["data"] / "training" / "patient001"
    frames = [
        np.asarray(nib.Nifti1Image.from_filename(patient / f"patient001_frame0{n}.nii.gz").dataobj) for n in (1, 9)
    ]
    series = np.stack([frames[0], *[frames[0] * 0] * 7, frames[1]], axis=-1)
    nib.Nifti1Image(series, np.eye(4)).to_filename(patient / "patient001_4d.nii.gz")
    expected = [before.read(f"patient001_{phase}")[0].array for phase in ("ED", "ES")]
    for number in (1, 9):
        (patient / f"patient001_frame0{number}.nii.gz").unlink()
    dataset = open_dataset("acdc", **arguments)
    assert dataset.files("patient001_ES")[0].name == "patient001_4d.nii.gz"
    for phase, array in zip(("ED", "ES"), expected, strict=True):
        assert np.array_equal(dataset.read(f"patient001_{phase}")[0].array, array)
    (patient / "patient001_frame09_gt.nii.gz").unlink()
    with pytest.raises(DataError, match=r"patient001_4d.nii.gz: image without label patient001_frame09_gt.nii.gz"):
        open_dataset("acdc", **arguments)


def test_a_testing_folder_without_labels_is_left_out(arguments: dict[str, Any]) -> None:
    for path in (arguments["data"] / "testing").glob("*/*_gt.nii.gz"):
        path.unlink()
    dataset = open_dataset("acdc", **arguments)
    assert dataset.splits == ("train", "val")
    assert {path.name for path in dataset.excluded()} >= {"patient101_frame01.nii.gz", "patient102_frame09.nii.gz"}


def test_the_folder_of_the_download_and_one_too_deep(arguments: dict[str, Any], tmp_path: Path) -> None:
    expected = open_dataset("acdc", **arguments).fingerprint()
    shutil.copytree(arguments["data"], tmp_path / "download" / "ACDC" / "database")
    assert open_dataset("acdc", **(arguments | {"data": tmp_path / "download"})).fingerprint() == expected
    shutil.copytree(arguments["data"], tmp_path / "far" / "a" / "b" / "c")
    assert open_dataset("acdc", **(arguments | {"data": tmp_path / "far"})).fingerprint() == expected
    shutil.copytree(arguments["data"], tmp_path / "far" / "copy")
    with pytest.raises(DataError, match=r"far: must hold one folder with training/patientNNN of ACDC, holds .*copy"):
        open_dataset("acdc", **(arguments | {"data": tmp_path / "far"}))
    with pytest.raises(DataError, match="training: must be the folder above, which holds training/patientNNN"):
        open_dataset("acdc", **(arguments | {"data": arguments["data"] / "training"}))


@pytest.mark.images
def test_overlap_before_registration_of_the_real_images(tmp_path: Path) -> None:
    dataset = open_dataset("acdc", REAL, cache=tmp_path)
    dice = []
    for index in dataset.pairs("val"):
        fixed, moving = dataset.scan(index.fixed).labels, dataset.scan(index.moving).labels
        assert fixed is not None
        assert moving is not None
        dice.append(np.mean(dice_per_label(fixed, moving, moving_labels=moving, labels=(1, 2, 3))))
    assert (len(dice), len({index.block for index in dataset.pairs("val")})) == (20, 10)
    assert np.mean(dice) == pytest.approx(0.659, abs=5e-4)
