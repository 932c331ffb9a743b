from inspect import unwrap

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice

from fusemorph.metrics import dice_per_label


def label_map(seed: int, labels: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, labels, (24, 25, 26)).astype(np.int16)


def test_agrees_with_monai() -> None:
    fixed, warped = label_map(1), label_map(2)
    warped[:12] = fixed[:12]
    ours = dice_per_label(fixed, warped, moving_labels=fixed, labels=range(1, 6))
    predicted, truth = (
        torch.from_numpy(np.stack([labels == label for label in range(1, 6)])[None]) for labels in (warped, fixed)
    )
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, compute_dice(predicted, truth, include_background=True)[0].numpy(), atol=1e-6)


def test_values_follow_the_label_list_and_not_the_maps() -> None:
    fixed = np.array([[1, 1, 7, 7], [2, 2, 9, 9]])
    warped = np.array([[1, 3, 7, 7], [2, 2, 2, 2]])
    dice = dice_per_label(fixed, warped, moving_labels=fixed, labels=[9, 2, 7, 1])
    assert dice.tolist() == pytest.approx([0.0, 2 * 2 / 6, 1.0, 2 / 3])


def test_a_label_absent_from_fixed_or_original_moving_is_nan_and_a_vanished_one_zero() -> None:
    fixed = np.array([[1, 2, 3, 0]])
    moving = np.array([[1, 2, 4, 0]])
    warped = np.array([[1, 0, 3, 4]])
    dice = dice_per_label(fixed, warped, moving_labels=moving, labels=[1, 2, 3, 4, 5])
    np.testing.assert_array_equal(dice, [1.0, 0.0, np.nan, np.nan, np.nan])
    assert np.nanmean(dice) == 0.5


@pytest.mark.parametrize(
    ("warped", "labels", "rule"),
    [
        (np.zeros((4, 5), int), [1], r"'warped_labels' must have the shape \(4, 4\) of 'fixed_labels', got \(4, 5\)"),
        (np.zeros((4, 4), int), [1, 0], r"'labels' must be positive, got \[1, 0\]"),
        (np.full((4, 4), -1), [1], r"'warped_labels' must not hold negative labels, got -1"),
    ],
)
def test_errors_name_argument_and_rule(warped: np.ndarray, labels: list[int], rule: str) -> None:
    # Without the type check of the tests, which would find unlike shapes first.
    fixed = np.zeros((4, 4), int)
    with pytest.raises(ValueError, match=r"dice_per_label\(\): " + rule):
        unwrap(dice_per_label)(fixed, warped, moving_labels=fixed, labels=labels)
