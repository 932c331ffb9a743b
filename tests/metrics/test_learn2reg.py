"""What Learn2Reg's evaluation measures: its Hausdorff distance, and how it reads labels and displacements."""

import warnings

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusemorph.metrics import hd95_l2r_vox, tre_mm
from fusemorph.metrics.learn2reg import AREAS
from fusemorph.warp import warp_moving_labels


def blobs(seed: int, shape: tuple[int, ...] = (20, 24, 18)) -> np.ndarray:
    """Labels 1 and 2 of no particular shape, which touch the ends of the grid."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return ((noise > 0.05).astype(np.int16) + (noise > 0.15)).astype(np.int16)


def box(*low: int) -> np.ndarray:
    labels = np.zeros((20, 20, 20), np.int16)
    labels[tuple(slice(at, at + 8) for at in low)] = 1
    return labels


def test_a_shift_is_as_far_as_it_goes() -> None:
    fixed, shifted = box(4, 4, 4), box(7, 4, 4)
    for first, second, expected in ((fixed, fixed, 0.0), (fixed, shifted, 3.0), (shifted, fixed, 3.0)):
        assert hd95_l2r_vox(first, second, moving_labels=fixed, labels=(1,)).tolist() == [expected]


def test_a_flat_surface_has_the_area_of_its_voxels() -> None:
    """Four of eight voxels that share a face: one face of a voxel; the surface of a lone voxel: eight corners."""
    assert AREAS[0b1111] == 1.0
    assert 8 * AREAS[1] == pytest.approx(np.sqrt(3))  # the octahedron through the middles of the faces


def test_labels_that_are_absent_are_unknown_and_a_vanished_one_is_far() -> None:
    fixed = box(4, 4, 4)
    found = hd95_l2r_vox(fixed, np.zeros_like(fixed), moving_labels=fixed, labels=(1, 2))
    np.testing.assert_allclose(found, [19.0 * np.sqrt(3), np.nan])


@pytest.mark.peers
def test_equals_the_package_that_the_challenge_uses() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of scipy and numpy that have moved
        from surface_distance import metrics

        for seed in range(6):
            fixed, warped = blobs(seed), blobs(seed + 100)
            ours = hd95_l2r_vox(fixed, warped, moving_labels=warped, labels=(1, 2))
            for label, value in zip((1, 2), ours, strict=True):
                surfaces = metrics.compute_surface_distances(fixed == label, warped == label, np.ones(3))
                assert value == pytest.approx(metrics.compute_robust_hausdorff(surfaces, 95.0), abs=1e-6)


@pytest.mark.parametrize("shape", [(11, 13), (9, 10, 11)])
def test_nearest_labels_are_those_of_scipy_and_background_outside(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 5, shape).astype(np.int16)
    displacement = rng.uniform(-4, 4, (1, len(shape), *shape)).astype(np.float32)
    places = np.indices(shape) + displacement[0].astype(float)
    expected = ndimage.map_coordinates(labels, places, order=0)
    assert (expected == 0).any()
    found = warp_moving_labels(labels, torch.from_numpy(displacement), mode="nearest")
    np.testing.assert_array_equal(found, expected)


def test_cubic_reading_of_a_rough_displacement_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    displacement = rng.standard_normal((3, 12, 13, 14))
    fixed, moving = (rng.uniform(-1, 14, (20, 3)) for _ in range(2))  # some outside, where the displacement is 0
    read = np.stack([ndimage.map_coordinates(component, fixed.T) for component in displacement], axis=1)
    spacing_mm = np.array([1.0, 2.0, 0.5])
    expected = np.linalg.norm((fixed + read - moving) * spacing_mm, axis=1)
    affine = np.diag([*spacing_mm, 1.0])
    np.testing.assert_allclose(tre_mm(displacement, fixed, moving, affine=affine, reading="cubic"), expected)
    assert not np.allclose(tre_mm(displacement, fixed, moving, affine=affine), expected, atol=0.1)
