"""Landmarks beside the images of any data set whose images are files of their own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fusemorph.data import DataError
from fusemorph.data.listed import ListedDataset
from fusemorph.trials.measures import measure_landmarks
from tests.contracts.dataset_example import NAMES, Example, kind

BESIDE = [name for name in NAMES if issubclass(kind(name), ListedDataset) and kind(name).landmarks_beside]  # type: ignore[attr-defined]
SERIES = {"mnms"}
"""Data sets whose images are frames of series, for which no landmarks are looked for."""


def test_many_data_sets_have_them() -> None:
    assert {"bids", "oasis", "ixi", "acdc", "mindboggle", "buckner"} <= set(BESIDE)


@pytest.mark.parametrize("name", [name for name in BESIDE if name not in SERIES])
def test_landmarks_beside_images_are_read(name: str, written: Callable[..., Example], tmp_path: Path) -> None:
    example = written(name).copied(tmp_path / "data")
    before = example.open()
    index = next(pair for pair in before.pairs("val") if not pair.fixed.startswith("mnms"))
    voxels = {index.fixed: ["8,9,4", "10,11,5"], index.moving: ["9,9,4", "10,12,5.5"]}
    for scan_id, points in voxels.items():
        image = before.files(scan_id)[0]
        name = image.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".mgz")
        image.with_name(f"{name}_landmarks.csv").write_text("\n".join(["i,j,k", *points]))
    dataset = example.open()
    assert dataset.fingerprint() != before.fingerprint()
    rows = measure_landmarks(dataset.pair(index), torch.zeros(1, 3, *dataset.shape))
    assert len(rows) == 2
    assert all(0 < row["tre_mm"] == row["tre_before_mm"] < 20 for row in rows)
    assert np.isfinite([row["tre_mm"] for row in rows]).all()


def test_two_files_of_one_image_are_named(written: Callable[..., Example], tmp_path: Path) -> None:
    example = written("bids").copied(tmp_path / "data")
    image = example.open().files("01_1")[0]
    for ending in ("csv", "json"):
        image.with_name(f"{image.name.removesuffix('.nii.gz')}_landmarks.{ending}").write_text("i,j,k\n1,2,3")
    with pytest.raises(DataError, match=r"_landmarks\.json: holds landmarks of the image, as .*_landmarks\.csv does"):
        example.open()
