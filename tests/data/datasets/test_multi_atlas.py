"""Multi-atlas brains: its split by subject on made-up volumes, and its known figures on the real ones (``images``)."""

import os
from itertools import combinations
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fusemorph.data import DataError, open_dataset
from fusemorph.data.datasets.multi_atlas import LABELS, SCANS, MultiAtlas
from fusemorph.metrics import dice_per_label

REAL = Path(os.environ.get("FUSEMORPH_DATA") or Path(__file__).parents[4] / "shared" / "data") / "multi_atlas_2012"


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    return MultiAtlas.example(tmp_path / "multi_atlas_2012") | {"cache": tmp_path / "cache", "align": "centres"}


def test_the_full_set_has_35_scans_138_structures() -> None:
    assert {split: len(numbers) for split, numbers in SCANS.items()} == {"train": 10, "val": 6, "test": 19}
    assert len({number for numbers in SCANS.values() for number in numbers}) == 35
    assert len(LABELS) == len(set(LABELS.values())) == 138
    assert (LABELS[75], LABELS[101], LABELS[46]) == ("left basal forebrain", "left anterior cingulate gyrus", "CSF")


def test_a_subject_scanned_twice_stays_one_subject(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("multi_atlas", **arguments)
    assert dataset.scan_ids("train") == ("1000", "1001", "1003", "1023")
    assert dataset.subject("1023") == dataset.subject("1003") == "1003"


def test_absent_scans_are_listed(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("multi_atlas", **arguments)
    assert dataset.missing("val") == ("4 of the 6 scans of val are missing: 1009, 1010, 1011, 1012",)
    assert dataset.missing("exam") == ("multi_atlas has no split 'exam' here",)


def test_centres_of_mass_come_to_lie_in_the_middle(arguments: dict[str, Any]) -> None:
    dataset = open_dataset("multi_atlas", **arguments)
    for scan_id in dataset.scan_ids("train"):
        centre = np.argwhere(dataset.scan(scan_id).image > 0).mean(axis=0)
        assert np.abs(centre - (np.array(dataset.shape) - 1) / 2).max() < 1.5


def test_structures_that_few_scans_have_are_background(arguments: dict[str, Any]) -> None:
    path = arguments["data"] / "labels" / "1001.nii.gz"
    image = nib.Nifti1Image.from_filename(path)
    array = np.asarray(image.dataobj).copy()
    array[array == 4] = 65
    nib.Nifti1Image(array, image.affine).to_filename(path)
    labels = open_dataset("multi_atlas", **arguments).scan("1001").labels
    assert labels is not None
    assert 65 not in labels
    assert 4 not in labels


def test_a_scan_that_is_none_of_the_35_is_named(arguments: dict[str, Any]) -> None:
    for part in ("images", "labels"):
        (arguments["data"] / part / "1001.nii.gz").rename(arguments["data"] / part / "1016.nii.gz")
    with pytest.raises(DataError, match=r"1016\.nii\.gz: is none of the 35 scans"):
        open_dataset("multi_atlas", **arguments)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"spacing_mm": 0.5}, "'spacing_mm' must lie between 1 and 8, got 0.5"),
        ({"shape": [24, 24]}, "'shape' must be 3 sides of 8 or more"),
        ({"percentiles": [99, 1]}, "'percentiles' must increase and lie between 0 and 100"),
        ({"align": "none"}, "'align' must be one of affine, mni, centres, got 'none'"),
    ],
)
def test_a_setting_against_its_rule_is_named(arguments: dict[str, Any], setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset("multi_atlas", **(arguments | setting))


@pytest.mark.images
def test_an_affine_step_raises_overlap_of_the_real_images(tmp_path: Path) -> None:
    means = {}
    for align in ("centres", "affine"):
        dataset = open_dataset("multi_atlas", REAL, cache=tmp_path, align=align)
        scans = [dataset.scan(scan_id) for split in dataset.splits for scan_id in dataset.scan_ids(split)]
        labels = [scan.labels for scan in scans if scan.labels is not None]
        assert len(labels) == len(scans)
        dice = [
            np.nanmean(dice_per_label(first, second, moving_labels=second, labels=tuple(LABELS)))
            for first, second in combinations(labels, 2)
        ]
        means[align] = float(np.mean(dice))
    assert means["centres"] == pytest.approx(0.347, abs=2e-3)
    assert means["affine"] > 0.43
