"""Hippocampus: its splits by id on made-up volumes, and its known figures on the real ones.

The real images are found in the folder that the variable FUSEMORPH_DATA names, else in ``../shared/data`` beside the
checkout. Those tests have the marker ``images`` and are run by ``nox -s images``, which fails without the images.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusemorph.data import DataError, Dataset, open_dataset
from fusemorph.data.datasets.hippocampus import Hippocampus

REAL = Path(os.environ.get("FUSEMORPH_DATA") or Path(__file__).parents[4] / "shared" / "data") / "Task04_Hippocampus"


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    return Hippocampus.example(tmp_path / "Task04_Hippocampus") | {"cache": tmp_path / "cache"}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset("hippocampus", REAL, cache=tmp_path_factory.mktemp("cache"))


def test_splits_and_subjects_follow_from_ids(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("hippocampus", **arguments)
    numbers = {split: [int(scan_id[-3:]) for scan_id in dataset.scan_ids(split)] for split in dataset.splits}
    assert numbers == {"train": [1, 2, 4, 249], "val": [251, 252, 310], "test": [311, 312, 320]}
    assert dataset.subject("hippocampus_001") == dataset.subject("hippocampus_002") == "001"
    assert dataset.subject("hippocampus_004") == "002"


def test_what_the_official_splits_have_more_is_said(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("hippocampus", **arguments)
    assert dataset.missing("train") == ("157 of the 161 volumes of train (ids 1 to 250) are missing",)
    assert dataset.missing("test") == ("57 of the 60 volumes of test (ids 311 on) are missing",)


def test_without_test_volumes_val_is_the_same(arguments: dict[str, Any]) -> None:
    whole = open_dataset("hippocampus", **arguments)
    for number in (311, 312, 320):
        for path in whole.files(f"hippocampus_{number}"):
            path.unlink()
    dataset = open_dataset("hippocampus", **arguments)
    assert dataset.splits == ("train", "val")
    assert dataset.missing("test") == ("60 of the 60 volumes of test (ids 311 on) are missing",)
    assert dataset.fingerprint() == whole.fingerprint()
    with pytest.raises(ValueError, match="60 of the 60 volumes of test"):
        dataset.pairs("test")


def test_the_folder_above_serves_too_and_hidden_files_do_not_count(arguments: dict[str, Any]) -> None:
    folder = arguments["data"]
    (folder / "imagesTr" / "._hippocampus_001.nii.gz").write_text("left by an archive")
    dataset = open_dataset("hippocampus", **(arguments | {"data": folder.parent}))
    assert dataset.fingerprint() == open_dataset("hippocampus", **arguments).fingerprint()


def test_every_missing_partner_has_its_line(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("hippocampus", **arguments)
    for number, part in (("002", 0), ("251", 0), ("004", 1), ("312", 1)):
        dataset.files(f"hippocampus_{number}")[part].unlink()
    with pytest.raises(DataError) as caught:
        open_dataset("hippocampus", **arguments)
    lines = [line.partition(": ") for line in str(caught.value).splitlines()]
    assert [(Path(path).name[12:15], rule[:19]) for path, _, rule in lines] == [
        ("004", "image without label"),
        ("312", "image without label"),
        ("002", "label without image"),
        ("251", "label without image"),
    ]


def test_a_grid_that_loses_labels_names_the_file(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("hippocampus", **(arguments | {"shape": [8, 8, 8]}))
    with pytest.raises(DataError, match=r"hippocampus_001.nii.gz: the grid \(8, 8, 8\) would lose \d+ label voxels"):
        dataset.prepare()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shape": [48, 64]}, "'shape' must be 3 sides of 8 or more"),
        ({"shape": [48, 64, 4]}, "'shape' must be 3 sides of 8 or more"),
        ({"shape": "large"}, "'shape' must be of type tuple of int, got 'large'"),
        ({"percentiles": [99, 1]}, "'percentiles' must increase and lie between 0 and 100"),
    ],
)
def test_a_setting_against_its_rule_is_named(arguments: dict[str, Any], setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset("hippocampus", **(arguments | setting))


@pytest.mark.images
def test_val_of_the_real_images_has_its_known_figures(real: Dataset) -> None:
    assert {split: len(real.scan_ids(split)) for split in ("train", "val")} == {"train": 161, "val": 39}
    pairs = real.pairs("val")
    assert len(pairs) == 38
    assert len({index.block for index in pairs}) == 10
    dice = []
    for index in pairs:
        pair = real.pair(index)
        fixed, moving = (np.stack([scan.labels == label for label in (1, 2)]) for scan in (pair.fixed, pair.moving))
        axes = (1, 2, 3)
        dice.append((2 * (fixed & moving).sum(axes) / (fixed.sum(axes) + moving.sum(axes))).mean())
    assert np.mean(dice) == pytest.approx(0.512, abs=5e-4)


def official_validation(folder: Path) -> dict[str, Any]:
    """The example, with 60 volumes of test from 311 to 394, 351 and 352 in the middle, in place of its own."""
    arguments = Hippocampus.example(folder)
    numbers = [*range(311, 340), 351, 352, *range(366, 395)]
    image, labels = (folder / part / "hippocampus_311.nii.gz" for part in ("imagesTr", "labelsTr"))
    for source in (image, labels):
        content = source.read_bytes()
        for number in (311, 312, 320):
            (source.parent / f"hippocampus_{number}.nii.gz").unlink()
        for number in numbers:
            (source.parent / f"hippocampus_{number}.nii.gz").write_bytes(content)
    return arguments | {"cache": folder / "cache"}


def test_the_pairing_of_learn2reg_2020_is_its_60_ordered_pairs(tmp_path: Path) -> None:
    arguments = official_validation(tmp_path)
    official = open_dataset("hippocampus", **arguments, pairing="learn2reg2020")
    assert isinstance(official, Hippocampus)
    pairs = [(int(pair.fixed[-3:]), int(pair.moving[-3:])) for pair in official.pairs("test")]
    assert len(set(pairs)) == 60
    assert all((moving, fixed) in pairs for fixed, moving in pairs)
    assert pairs[:3] == [(311, 394), (312, 393), (313, 392)]
    plain = open_dataset("hippocampus", **arguments)
    assert isinstance(plain, Hippocampus)
    left = {(int(pair.fixed[-3:]), int(pair.moving[-3:])) for pair in plain.pairs("test")}
    assert set(pairs) - left == {(351, 352), (352, 351)}
    assert official.pairs("val") == plain.pairs("val")
    assert official.configuration() == plain.configuration() | {"pairing": "learn2reg2020"}
    assert "pairing" not in plain.configuration()
    assert official._grid_key("hippocampus_311") == plain._grid_key("hippocampus_311")


def test_a_part_of_the_official_validation_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"needs all 60 volumes of test \(ids 311 on\), 3 are here"):
        open_dataset("hippocampus", **arguments, pairing="learn2reg2020")
    with pytest.raises(ValueError, match=r"'pairing' must be one of subjects, learn2reg2020, got 'l2r'"):
        open_dataset("hippocampus", **arguments, pairing="l2r")
