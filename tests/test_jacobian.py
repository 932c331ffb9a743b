"""The test vectors of the determinant: fields whose answer is known by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from fusemorph.grid import identity_grid
from fusemorph.integrate import exponential
from fusemorph.jacobian import jacobian_determinant
from tests.affine_fields import AXES, AXIS_PAIRS, SHAPES, linear


def assert_determinant(displacement: Tensor, expected: float) -> None:
    determinant = jacobian_determinant(displacement)
    assert determinant.shape == (displacement.shape[0], *displacement.shape[2:])
    torch.testing.assert_close(determinant, torch.full_like(determinant, expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_zero(shape: tuple[int, ...]) -> None:
    assert_determinant(torch.zeros(2, len(shape), *shape), 1.0)


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("factor", [1.5, -1.0])
def test_stretch_and_mirror_of_one_axis(shape: tuple[int, ...], axis: int, factor: float) -> None:
    matrix = torch.eye(len(shape))
    matrix[axis, axis] = factor
    assert_determinant(linear(shape, matrix), factor)


@pytest.mark.parametrize(("shape", "pair"), AXIS_PAIRS)
def test_pure_shear(shape: tuple[int, ...], pair: tuple[int, int]) -> None:
    matrix = torch.eye(len(shape))
    matrix[pair] = -1.5
    assert_determinant(linear(shape, matrix), 1.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_random_affine_map_has_its_own_determinant(shape: tuple[int, ...], seed: int) -> None:
    matrix = torch.randn(len(shape), len(shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert_determinant(linear(shape, matrix) + 3.0, float(torch.linalg.det(matrix)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_random_field_agrees_with_numpy(shape: tuple[int, ...]) -> None:
    displacement = torch.randn(1, len(shape), *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slopes = np.array([np.gradient(component) for component in displacement[0].numpy()])
    jacobians = np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(len(shape))
    np.testing.assert_allclose(jacobian_determinant(displacement)[0].numpy(), np.linalg.det(jacobians), atol=1e-10)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_central_differences_overlook_a_slab_swap(shape: tuple[int, ...], axis: int) -> None:
    x = identity_grid(shape)[axis]
    displacement = torch.zeros(1, len(shape), *shape)
    displacement[:, axis] = 1 - 2 * (x % 2)
    interior: tuple[slice | int, ...] = (0, *[slice(1, -1)] * len(shape))
    assert torch.equal(jacobian_determinant(displacement)[interior], torch.ones([side - 2 for side in shape]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(32, 30), (32, 28, 30)])
def test_the_exponential_of_a_smooth_velocity_does_not_fold(shape: tuple[int, ...], seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((len(shape), *shape))
    smooth = np.stack([ndimage.gaussian_filter(component, 4.0) for component in noise])
    velocity = torch.from_numpy(4 * smooth / np.abs(smooth).max()).float()[None]
    assert jacobian_determinant(exponential(velocity)).min() > 0


def test_autocast_does_not_lower_the_precision() -> None:
    displacement = torch.randn(1, 3, 24, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        determinant = jacobian_determinant(displacement)
    assert torch.equal(determinant, jacobian_determinant(displacement))


def test_gradient_is_that_of_the_determinant() -> None:
    displacement = torch.randn(1, 3, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(jacobian_determinant, displacement)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8, 8), (1, 3, 8, 1, 8), (1, 1, 8)])
def test_bad_shapes_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"jacobian_determinant\(\): 'displacement' must be .* got shape \(1, "):
        jacobian_determinant(torch.zeros(shape))
