"""M&Ms: frames, labels and splits on made-up series."""

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError, open_dataset
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.datasets.mnms import TABLE, Mnms
from fusemorph.data.listed import ListedDataset


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    return Mnms.example(tmp_path / "MnMs") | {"cache": tmp_path / "cache"}


def opened(arguments: dict[str, Any], **settings: Any) -> ListedDataset:
    dataset = open_dataset("mnms", **(arguments | settings))
    assert isinstance(dataset, ListedDataset)
    return dataset


def test_frames_are_counted_from_0(arguments: dict[str, Any]) -> None:
    """ED = 0 is the first volume and ES = 2 the third; counted from 1, the one would not be there."""
    dataset = opened(arguments)
    series, maps = (np.asarray(nib.Nifti1Image.from_filename(path).dataobj) for path in dataset.files("A0S9V9_ED"))
    for phase, frame in (("ED", 0), ("ES", 2)):
        image, labels = dataset.read(f"A0S9V9_{phase}")
        assert np.array_equal(image.array, series[..., frame])
        assert labels is not None
        assert np.array_equal(labels.array > 0, maps[..., frame] > 0)
    assert not maps[..., 1].any()


def test_labels_come_out_as_those_of_acdc(arguments: dict[str, Any], tmp_path: Path) -> None:
    """The left ventricle is 1 in the files of M&Ms and 3 in those of ACDC."""
    dataset = opened(arguments)
    acdc = open_dataset("acdc", **Acdc.example(tmp_path / "ACDC"), cache=tmp_path / "cache")
    assert dataset.labels == acdc.labels == {1: "right ventricle", 2: "myocardium", 3: "left ventricle"}
    stored = np.asarray(nib.Nifti1Image.from_filename(dataset.files("A0S9V9_ED")[1]).dataobj)[..., 0]
    labels = dataset.read("A0S9V9_ED")[1]
    assert labels is not None
    assert np.array_equal(labels.array, np.asarray([0, 3, 2, 1])[stored.astype(int)])


def test_splits_are_those_of_the_challenge(arguments: dict[str, Any]) -> None:
    dataset = opened(arguments)
    assert [len(dataset.scan_ids(split)) for split in dataset.splits] == [6, 4, 4]
    assert [index.name for index in dataset.pairs("val")][:2] == ["A2C0I1_ED<-A2C0I1_ES", "A2C0I1_ES<-A2C0I1_ED"]
    assert {scan.site for scan in dataset.listing.scans.values()} == {"centre 1, Siemens", "centre 2, Siemens"}


def test_cases_without_labels_are_left_out(arguments: dict[str, Any]) -> None:
    table = arguments["data"] / TABLE
    table.write_text(table.read_text().replace(",A5P5W0,Siemens,A,1,0,2,", ",A5P5W0,Siemens,A,1,0,0,"))
    reasons = {path.name: reason for path, reason in opened(arguments).excluded().items()}
    assert reasons == {
        "B0P3R6_sa.nii.gz": "has no labels (Training/Unlabeled)",
        "A5P5W0_sa.nii.gz": f"has no labelled frames (ED = ES in {TABLE})",
    }


def test_a_patient_in_two_splits_is_named(arguments: dict[str, Any]) -> None:
    folder = arguments["data"]
    (folder / "Testing/A0S9V9").mkdir()
    for path in (folder / "Training/Labeled/A0S9V9").glob("*"):
        (folder / "Testing/A0S9V9" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(
        DataError,
        match=r"Training/Labeled/A0S9V9/A0S9V9_sa.nii.gz: A0S9V9 is in .*Testing/A0S9V9/.* too; a patient must",
    ):
        opened(arguments)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ",A0S9V9,",
            ",2020-01-09,",
            r"row 2: 'External code' must be an id such as A0S9V9, got '2020-01-09'; a spread",
        ),
        (",A0S9V9,", ",1.5E+10,", r"got '1.5E\+10'; a spreadsheet has made a date or a number of it"),
        (",A0S9V9,", ",Z9Z9Z9,", r"A0S9V9_sa.nii.gz: A0S9V9 is not in 211230"),
        (",0,2,50", ",0,ten,50", r"ED and ES of A0S9V9 must be frames counted from 0, got 'ten'"),
        (",0,2,50", ",0,7,50", r"A0S9V9_sa.nii.gz: has the frames 0 to 2, frame 7 is asked for"),
        ("External code", "Externer Code", r"must have rows, columns \['External code', 'ED', 'ES'\], got"),
    ],
)
def test_a_table_that_cannot_be_is_named(arguments: dict[str, Any], old: str, new: str, message: str) -> None:
    table = arguments["data"] / TABLE
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        opened(arguments)


def test_a_table_with_semicolons_or_in_utf16_is_read_and_one_in_latin_1_is_named(arguments: dict[str, Any]) -> None:
    table = arguments["data"] / TABLE
    expected = opened(arguments).fingerprint()
    text = table.read_text()
    table.write_text(text.replace(",", ";"))
    assert opened(arguments).fingerprint() == expected
    table.write_text(text, encoding="utf-16")
    assert opened(arguments).fingerprint() == expected
    table.write_text(text.replace("Siemens", "Köln"), encoding="latin-1")
    with pytest.raises(DataError, match=r"opendataset.csv, line 2: is not UTF-8; save the table as 'CSV UTF-8'"):
        opened(arguments)
    deeper = arguments["data"].parent / "above" / "x" / "y"
    shutil.copytree(arguments["data"], deeper)
    (deeper / TABLE).write_text(text)
    assert opened(arguments | {"data": arguments["data"].parent / "above"}).fingerprint() == expected
    table.unlink()
    with pytest.raises(DataError, match="must hold 211230_M&Ms"):
        opened(arguments)
