from inspect import unwrap

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy.ndimage import gaussian_filter

from fusemorph.metrics import surface_distances

LABELS = range(1, 6)


def regions(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Smooth regions of five labels and background that reach the ends of the grid."""
    noise = np.random.default_rng(seed).standard_normal((6, *shape))
    return np.stack([gaussian_filter(channel, 3) for channel in noise]).argmax(axis=0).astype(np.int16)


# MONAI 1.6 passes an argument to itself that it has deprecated.
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "spacing_mm", [(1.0, 1.0, 1.0), (0.8, 0.8, 0.8), (1.0, 1.5, 3.0), (2.0, 0.7)], ids=lambda spacing: str(spacing)
)
def test_agrees_with_monai(spacing_mm: tuple[float, ...], seed: int) -> None:
    shape = (24, 28, 26)[: len(spacing_mm)]
    fixed, warped = regions(shape, seed), regions(shape, seed + 10)
    warped[:12] = fixed[:12]
    labels = sorted(set(np.unique(fixed)) & set(np.unique(warped)) - {0})
    labels = [int(label) for label in labels]
    ours = surface_distances(fixed, warped, moving_labels=fixed, labels=labels, spacing_mm=spacing_mm)
    predicted, truth = (
        torch.from_numpy(np.stack([array == label for label in labels])[None]) for array in (warped, fixed)
    )
    spacing = list(spacing_mm)
    theirs = {
        "hd95_mm": compute_hausdorff_distance(
            predicted, truth, include_background=True, percentile=95, spacing=spacing
        ),
        "assd_mm": compute_average_surface_distance(
            predicted, truth, include_background=True, symmetric=True, spacing=spacing
        ),
        "hd95_vox": compute_hausdorff_distance(predicted, truth, include_background=True, percentile=95),
    }
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert ours[name].dtype == np.float64
        np.testing.assert_allclose(ours[name], values[0].numpy(), atol=1e-5)


def test_a_shifted_cube_is_as_far_as_its_shift_along_each_spacing() -> None:
    for axis, spacing in enumerate((1.0, 2.0, 0.5)):
        fixed = np.zeros((24, 24, 24), np.int16)
        warped = fixed.copy()
        fixed[8:10, 8:10, 8:10] = 1
        warped[8:10, 8:10, 8:10] = 1
        warped = np.roll(warped, 5, axis=axis)
        ours = surface_distances(fixed, warped, moving_labels=fixed, labels=[1], spacing_mm=(1.0, 2.0, 0.5))
        # Of the two layers, one is 4 voxels from the nearest and one 5.
        assert ours["hd95_vox"].item() == pytest.approx(5.0)
        assert ours["hd95_mm"].item() == pytest.approx(5.0 * spacing)
        assert ours["assd_mm"].item() == pytest.approx(4.5 * spacing)


def test_equal_maps_have_no_distance() -> None:
    fixed = regions((24, 24), 1)
    ours = surface_distances(fixed, fixed, moving_labels=fixed, labels=LABELS, spacing_mm=(1.0, 2.0))
    present = np.isin(list(LABELS), fixed)
    assert present.any()
    for values in ours.values():
        np.testing.assert_array_equal(values, np.where(present, 0.0, np.nan))


def test_absent_labels_are_nan_and_a_vanished_one_is_the_diagonal_of_the_grid() -> None:
    fixed = np.zeros((4, 5), np.int16)
    fixed[0, :4] = [1, 2, 3, 3]
    moving = np.where(fixed == 3, 4, fixed)
    warped = np.where(fixed == 2, 0, fixed)
    ours = surface_distances(fixed, warped, moving_labels=moving, labels=[1, 2, 3, 4], spacing_mm=(2.0, 3.0))
    nan = np.nan
    np.testing.assert_allclose(ours["hd95_mm"], [0, np.hypot(6, 12), nan, nan])
    np.testing.assert_allclose(ours["assd_mm"], [0, np.hypot(6, 12), nan, nan])
    np.testing.assert_allclose(ours["hd95_vox"], [0, 5, nan, nan])


@pytest.mark.parametrize(
    ("warped", "labels", "spacing_mm", "rule"),
    [
        (np.zeros((4, 5), int), [1], (1.0, 1.0), r"'warped_labels' must have the shape \(4, 4\)"),
        (np.zeros((4, 4), int), [0], (1.0, 1.0), r"'labels' must be positive, got \[0\]"),
        (np.zeros((4, 4), int), [1], (1.0,), r"'spacing_mm' must be 2 positive numbers, got \(1.0,\)"),
        (np.zeros((4, 4), int), [1], (1.0, -1.0), r"'spacing_mm' must be 2 positive numbers, got \(1.0, -1.0\)"),
    ],
)
def test_errors_name_argument_and_rule(
    warped: np.ndarray, labels: list[int], spacing_mm: tuple[float, ...], rule: str
) -> None:
    # Without the type check of the tests, which would find unlike shapes first.
    fixed = np.zeros((4, 4), int)
    with pytest.raises(ValueError, match=r"surface_distances\(\): " + rule):
        unwrap(surface_distances)(fixed, warped, moving_labels=fixed, labels=labels, spacing_mm=spacing_mm)
