"""Folders as people have them: with and without labels and tables, 2-D and 3-D, between subjects and within them."""

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.datasets.folder import Folder
from fusemorph.data.phantom import write_phantom
from tests.data.folder_files import Open, fill, table


def test_subjects_are_drawn_by_seed(folder: Path, opened: Open) -> None:
    fill(folder, 20)
    dataset = opened()
    assert {split: len(dataset.scan_ids(split)) for split in dataset.splits} == {"train": 14, "val": 2, "test": 4}
    draws = [tuple(opened(seed=seed).scan_ids(split) for split in dataset.splits) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert opened(fractions=[0.5, 0.5, 0]).splits == ("train", "val")


def test_drawn_subjects_keep_their_scans_together(folder: Path, opened: Open) -> None:
    names = fill(folder, 12)
    table(folder / "scans.csv", "image,person", *(f"{name},p{n // 2}" for n, name in enumerate(names)))
    dataset = opened()
    subjects = [{dataset.subject(scan_id) for scan_id in dataset.scan_ids(split)} for split in dataset.splits]
    assert [len(each) for each in subjects] == [2, 2, 2]
    assert not set.intersection(*subjects)


def test_too_few_subjects_for_three_splits_is_said(folder: Path, opened: Open) -> None:
    fill(folder, 5)
    with pytest.raises(DataError, match="5 subjects or groups are too few for train, val and test"):
        opened()


def test_labels_may_be_absent_altogether(folder: Path, opened: Open) -> None:
    fill(folder, 8, labelled=False)
    dataset = opened()
    assert dataset.labels == {}
    pair = dataset.pair(dataset.pairs("val")[0])
    assert pair.fixed.labels is None
    assert np.array_equal(pair.foreground, pair.fixed.image > 0)


def test_a_set_in_two_dimensions(folder: Path, opened: Open) -> None:
    fill(folder, 8, shape=(20, 24))
    dataset = opened(spacing_mm=[0.5, 1])
    assert dataset.spacing_mm == (0.5, 1.0)
    assert dataset.shape == (40, 24)
    scan = dataset.scan("s00")
    assert scan.image.shape == dataset.shape
    assert scan.affine.shape == (3, 3)
    with pytest.raises(ValueError, match="'shape' must be 2 sides of 8 or more, got"):
        opened(shape=[24, 24, 24])


def test_spacing_is_the_median_of_train_and_val_and_the_grid_holds_all(folder: Path, opened: Open) -> None:
    names = fill(folder, 7)
    for name in names[4:]:
        shutil.rmtree(folder / "images" / name, ignore_errors=True)
        files = (folder / part / f"{name}.nii.gz" for part in ("images", "labels"))
        write_phantom(*files, rng=np.random.default_rng(1), shape=(30, 20, 22), spacing_mm=2.0)
    splits = ["train", "train", "val", "val", "test", "test", "test"]
    table(folder / "splits.csv", "image,split", *map(",".join, zip(names, splits, strict=True)))
    dataset = opened()
    assert dataset.spacing_mm == (1.0, 1.0, 1.0)
    assert dataset.shape == (60, 40, 44)
    assert dataset.settings["shape"] == [60, 40, 44]
    scan = dataset.scan("s06")
    assert scan.labels is not None
    edges = nib.Nifti1Image.from_filename(folder / "images" / "s06.nii.gz").affine @ [14.5, 9.5, 10.5, 1]
    assert np.allclose(scan.affine @ [29.5, 19.5, 21.5, 1], edges)


def test_an_image_in_another_orientation_is_the_same(folder: Path, opened: Open) -> None:
    fill(folder, 8)
    before = np.array(opened().scan("s03").labels)
    for part in ("images", "labels"):
        path = folder / part / "s03.nii.gz"
        turned = nib.Nifti1Image.from_filename(path).as_reoriented(nib.orientations.axcodes2ornt("PIL"))
        nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine).to_filename(path)
    after = opened().scan("s03").labels
    assert after is not None
    assert np.array_equal(after, before)


def test_a_skull_stripped_image_is_cropped_to_its_foreground(folder: Path, opened: Open) -> None:
    fill(folder, 8)
    for n in range(8):
        for part in ("images", "labels"):
            path = folder / part / f"s{n:02d}.nii.gz"
            array = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
            array -= array.min()
            nib.Nifti1Image(np.pad(array, [(0, 40), (n, 0), (0, 0)]), np.eye(4)).to_filename(path)
    dataset = opened()
    assert dataset.shape == (20, 24, 20)
    assert dataset.settings["foreground"] == "image"
    assert opened(foreground="labels").shape < dataset.shape
    with pytest.raises(DataError, match=r"nii.gz: the grid \(9, 9, 9\) would lose \d+ label voxels"):
        opened(shape=[9, 9, 9]).prepare()


def test_within_subjects_all_ordered_pairs_of_one_grid(folder: Path, opened: Open) -> None:
    names = fill(folder, 9)
    splits = ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    rows = [f"{name},p{n // 3},{splits[n]}" for n, name in enumerate(names)]
    table(folder / "splits.csv", "image,person,split", *rows)
    dataset = opened(task="intra")
    assert len(dataset.pairs("val")) == 6
    assert {index.block for index in dataset.pairs("val")} == {"01"}
    assert dataset.settings["foreground"] == "labels"
    rng = np.random.default_rng(0)
    drawn = {dataset.training_pair(rng).name for _ in range(100)}
    assert drawn == {f"{a}<-{b}" for a in names[:3] for b in names[:3] if a != b}
    affines = [dataset.scan(name).affine for name in names[:3]]
    assert all(np.array_equal(affine, affines[0]) for affine in affines)


def test_within_subjects_grids_must_agree(folder: Path, opened: Open) -> None:
    names = fill(folder, 6)
    rows = [f"{name},p{n // 2},{('train', 'val', 'test')[n // 2]}" for n, name in enumerate(names)]
    table(folder / "splits.csv", "image,person,split", *rows)
    files = (folder / part / "s03.nii.gz" for part in ("images", "labels"))
    write_phantom(*files, rng=np.random.default_rng(0), spacing_mm=2.0)
    with pytest.raises(DataError, match=r"s03.nii.gz: grid is unlike the one of .*s02.nii.gz, of the same subject"):
        opened(task="intra")


def test_within_subjects_each_needs_two_images(folder: Path, opened: Open) -> None:
    fill(folder, 4)
    with pytest.raises(DataError, match=r"s00.nii.gz: is the only image of its subject"):
        opened(task="intra")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["s00,a,train", "s01,b,train", "s02,a,val", "s03,c,val"], "subject 'a' is in val, and in train"),
        (["s00,a,train", "s01,b,train", "s02,c,val"], "s03.nii.gz: is not listed in splits.csv"),
        (["s00,a,train", "s00,a,train", "s01,b,train", "s02,c,val", "s03,d,val"], "lists image 's00' twice"),
        (["s00,a,train", "s01,b,train", "s02,c,val", "s03,d,val", "s09,e,val"], "lists image 's09', which .* lacks"),
        (["s00,a,train", "s01,b,train", "s02,c,val", "s03,d,"], "image s03: 'split' must be among"),
        (["s00,a,val", "s01,b,val", "s02,c,val", "s03,d,train"], "train must hold at least 2 subjects, got 1"),
    ],
)
def test_a_table_of_splits_that_contradicts_the_files_is_named(
    folder: Path, opened: Open, rows: list[str], message: str
) -> None:
    fill(folder, 4)
    table(folder / "splits.csv", "image,person,split", *rows)
    with pytest.raises(DataError, match=message):
        opened()


def test_a_table_with_an_unknown_column_is_named(folder: Path, opened: Open) -> None:
    fill(folder, 4)
    table(folder / "splits.csv", "image,subject", "s00,a")
    with pytest.raises(DataError, match=r"splits.csv: must have rows, columns \['image'\], others among .*'subject'"):
        opened()


def test_every_bad_file_has_its_line(folder: Path, opened: Open) -> None:
    fill(folder, 8)
    for name in ("s02", "s05"):
        (folder / "images" / f"{name}.nii.gz").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        opened()
    lines = str(caught.value).splitlines()
    assert [Path(line.split(": ")[0]).name for line in lines] == ["s02.nii.gz", "s05.nii.gz"]


def test_thin_images_are_padded_on_request(folder: Path, opened: Open) -> None:
    fill(folder, 8, shape=(20, 24, 6))
    with pytest.raises(DataError, match="must have 8 voxels or more a side"):
        opened()
    assert opened(smallest_side=6).shape == (20, 24, 8)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"task": "both"}, "'task' must be 'inter' or 'intra', got 'both'"),
        ({"foreground": "air"}, "'foreground' must be 'image' or 'labels', got 'air'"),
        ({"fractions": [0.5, 0.4, 0.2]}, "'fractions' must be three numbers that sum to 1"),
        ({"percentiles": [0]}, "'percentiles' must increase and lie between 0 and 100"),
        ({"spacing_mm": [1.0, 1.0, -1.0]}, "'spacing_mm' must be 3 positive numbers"),
        ({"shape": [24, 24]}, "'shape' must be 3 sides of 8 or more"),
        ({"shape": 24}, "folder: 'shape' must be of type tuple of int, got 24"),
        ({"shape": [24.0, 24.0, 24.0]}, "folder: 'shape' must be of type tuple of int, got"),
        ({"spacing_mm": 1.5}, "folder: 'spacing_mm' must be of type tuple of float, got 1.5"),
        ({"spacing_mm": "fine"}, "folder: 'spacing_mm' must be of type tuple of float, got 'fine'"),
        ({"foreground": 1}, "folder: 'foreground' must be of type str, got 1"),
        ({"smallest_side": "six"}, "folder: 'smallest_side' must be of type int, got 'six'"),
        ({"percentiles": ["low", "high"]}, "folder: 'percentiles' must be of type tuple of float, got"),
        ({"fractions": [float("nan"), 0, 0]}, "folder: 'fractions' must be finite"),
    ],
)
def test_a_setting_against_its_rule_is_named(folder: Path, opened: Open, setting: dict[str, Any], message: str) -> None:
    Folder.example(folder)
    with pytest.raises(ValueError, match=message):
        opened(**setting)
