"""The virtual brains: their truth is true, smooth, and neither trivial nor hopeless."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusemorph.data import Dataset, Pair, open_dataset
from fusemorph.jacobian import jacobian_determinant
from fusemorph.metrics.dice import dice_per_label
from fusemorph.warp import warp, warp_labels

Brains = Callable[..., Dataset]


@pytest.fixture(scope="module")
def brains(brains_cache: Path) -> Brains:
    def brains(**settings: Any) -> Dataset:
        return open_dataset("virtual_brains", cache=brains_cache, **settings)

    return brains


@pytest.fixture(scope="module")
def pairs(brains: Brains) -> list[Pair]:
    dataset = brains()
    return [dataset.pair(index) for index in dataset.pairs("val")]


def truth(pair: Pair) -> torch.Tensor:
    assert pair.displacement is not None
    return torch.tensor(pair.displacement)[None]


def dice(pair: Pair, labels: np.ndarray) -> float:
    fixed, moving = pair.fixed.labels, pair.moving.labels
    assert fixed is not None
    assert moving is not None
    return float(np.nanmean(dice_per_label(fixed, labels, moving_labels=moving, labels=range(1, 6))))


def test_the_default_is_as_large_as_promised(brains: Brains) -> None:
    dataset = brains()
    assert dataset.shape == (48, 56, 48)
    assert {split: len(dataset.scan_ids(split)) for split in dataset.splits} == {"train": 24, "val": 6, "test": 12}
    for split, blocks in (("val", 3), ("test", 6)):
        assert len({index.block for index in dataset.pairs(split)}) == blocks


def test_identity_leaves_something_to_gain_and_the_truth_gains_it(pairs: list[Pair]) -> None:
    identity = [dice(pair, np.asarray(pair.moving.labels)) for pair in pairs]
    oracle = []
    for pair in pairs:
        warped = warp_labels(torch.tensor(pair.moving.labels)[None, None], truth(pair))
        oracle.append(dice(pair, warped[0, 0].numpy()))
    assert 0.55 < np.mean(identity) < 0.65
    assert min(identity) > 0.50
    assert max(identity) < 0.75
    assert min(oracle) > 0.85


def test_the_truth_is_smooth_and_reaches_a_few_voxels(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert jacobian_determinant(truth(pair)).min() > 0.1
        assert 2 < truth(pair).norm(dim=1).max() < 8


def test_the_truth_aligns_images_that_differ_by_shape_alone(brains: Brains) -> None:
    dataset = brains(train=2, val=2, test=0, bias=0.0, contrast=0.0, noise=0.0)
    pair = dataset.pair(dataset.pairs("val")[0])
    fixed, moving = (torch.tensor(scan.image)[None, None] for scan in (pair.fixed, pair.moving))
    before, after = (fixed - moving).abs(), (fixed - warp(moving, truth(pair))).abs()
    assert after.mean() < 0.25 * before.mean()


def test_there_and_back_is_the_identity(brains: Brains) -> None:
    dataset = brains()
    there, back = (truth(dataset.pair(index)) for index in dataset.pairs("val")[::5])
    around = there + warp(back, there)
    assert around[..., 8:-8, 8:-8, 8:-8].abs().max() < 0.25
    assert there.abs().max() > 1


def test_hemispheres_are_where_they_belong(pairs: list[Pair]) -> None:
    fixed = pairs[0].fixed
    for left, right in ((1, 2), (3, 4)):
        centres = [np.argwhere(fixed.labels == label).mean(axis=0) for label in (left, right)]
        x_mm = [(fixed.affine @ [*centre, 1])[0] for centre in centres]
        assert x_mm[0] < -15
        assert x_mm[1] > 15


def test_tissues_differ_in_intensity(pairs: list[Pair]) -> None:
    fixed = pairs[0].fixed
    assert fixed.labels is not None
    fluid, grey, white = (fixed.image[np.isin(fixed.labels, parts)].mean() for parts in ([5], [1, 2], [3, 4]))
    assert fluid < grey < white
    assert (fixed.image[fixed.labels == 0] == 0).mean() > 0.5


def test_a_subject_follows_from_seed_and_number_alone(brains: Brains) -> None:
    small, large = brains(train=2, val=2, test=0), brains()
    for scan_id in small.scan_ids("train") + small.scan_ids("val"):
        assert np.array_equal(small.scan(scan_id).image, large.scan(scan_id).image)
    assert not np.array_equal(brains(seed=1).scan(scan_id).image, large.scan(scan_id).image)


def test_a_subject_is_the_same_brain_at_another_spacing(brains: Brains) -> None:
    fine, coarse = (brains(spacing_mm=spacing).scan("brain_0001") for spacing in (4, 8))
    cubes = fine.image.reshape(24, 2, 28, 2, 24, 2).mean(axis=(1, 3, 5))
    other = brains(spacing_mm=8).scan("brain_0002")
    assert np.corrcoef(cubes.ravel(), coarse.image.ravel())[0, 1] > 0.97
    assert np.corrcoef(cubes.ravel(), other.image.ravel())[0, 1] < 0.95
    assert np.allclose(fine.affine @ [0.5, 0.5, 0.5, 1], coarse.affine @ [0, 0, 0, 1])


def test_the_fingerprint_follows_settings_but_not_the_number_of_test_subjects(brains: Brains) -> None:
    default = brains().fingerprint()
    assert brains(test=4).fingerprint() == default
    assert brains(spacing_mm=4).fingerprint() == default
    assert len({brains(**{name: 1}).fingerprint() for name in ("seed", "noise", "velocity_mm")} | {default}) == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"spacing_mm": 0.5}, "'spacing_mm' must lie between 1 and 8, got 0.5"),
        ({"train": 1}, "'train' must be 2 or more"),
        ({"train": 2.5}, "'train' must be of type int, got 2.5"),
        ({"noise": -1.0}, "amplitudes must be 0 or more"),
    ],
)
def test_a_setting_against_its_rule_is_named(brains: Brains, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        brains(**setting)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'data' must be None for virtual_brains"):
        open_dataset("virtual_brains", tmp_path)
