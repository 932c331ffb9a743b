import math
from types import EllipsisType

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from fusemorph.grid import identity_grid
from fusemorph.integrate import exponential, resize_displacement
from fusemorph.warp import compose

SHAPES = [(32, 30), (32, 28, 30)]


def smooth_velocity(shape: tuple[int, ...], *, sigma: float = 4.0, largest: float = 4.0, seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal((len(shape), *shape))
    smooth = np.stack([ndimage.gaussian_filter(component, sigma) for component in noise])
    return torch.from_numpy(smooth / np.abs(smooth).max() * largest).float()[None]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_velocity_is_its_own_exponential(shape: tuple[int, ...]) -> None:
    velocity = torch.ones(1, len(shape), *shape) * torch.tensor([1.5, -2.0, 0.5][: len(shape)]).view(
        -1, *[1] * len(shape)
    )
    torch.testing.assert_close(exponential(velocity), velocity, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_velocity_has_the_exponential_of_its_rate(shape: tuple[int, ...]) -> None:
    rate = -0.5  # inwards, so that no path leaves the grid
    centre = (torch.tensor(shape, dtype=torch.float64) - 1).view(-1, *[1] * len(shape)) / 2
    from_centre = (identity_grid(shape, dtype=torch.float64) - centre)[None]
    expected = (math.exp(rate) - 1) * from_centre
    torch.testing.assert_close(exponential(rate * from_centre), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("shape", "sigma"), [((32, 30), 6.0), ((32, 28, 30), 4.0)])
def test_exponential_of_the_negative_is_the_inverse(shape: tuple[int, ...], sigma: float, seed: int) -> None:
    # What remains is the error of linear interpolation; it grows with the curvature of the velocity.
    velocity = smooth_velocity(shape, sigma=sigma, seed=seed)
    forward, backward = exponential(velocity), exponential(-velocity)
    inner: tuple[slice | EllipsisType, ...] = (..., *[slice(8, -8)] * len(shape))
    assert forward[inner].abs().max() > 0.5
    assert compose(forward, backward)[inner].abs().max() < 0.05


def test_no_steps_is_the_velocity_itself() -> None:
    velocity = smooth_velocity((24, 24))
    assert torch.equal(exponential(velocity, steps=0), velocity)


def test_exponential_is_float32_under_autocast_and_differentiable() -> None:
    velocity = smooth_velocity((24, 24, 24)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        displacement = exponential(velocity)
    assert displacement.dtype == torch.float32
    (gradient,) = torch.autograd.grad(displacement.square().sum(), velocity)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_negative_steps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"exponential\(\): 'steps' must be 0 or more, got -1"):
        exponential(torch.zeros(1, 2, 8, 8), steps=-1)


@pytest.mark.parametrize(("shape", "target"), [((8, 6), (16, 18)), ((8, 6, 10), (16, 18, 5))])
def test_each_channel_is_multiplied_by_the_ratio_of_its_own_sides(
    shape: tuple[int, ...], target: tuple[int, ...]
) -> None:
    resized = resize_displacement(torch.ones(2, len(shape), *shape), target)
    assert resized.shape == (2, len(shape), *target)
    for axis, (old, new) in enumerate(zip(shape, target, strict=True)):
        torch.testing.assert_close(resized[:, axis], torch.full((2, *target), new / old))


def test_corners_keep_their_place() -> None:
    displacement = torch.rand(1, 3, 8, 6, 10)
    resized = resize_displacement(displacement, (16, 12, 20))
    torch.testing.assert_close(resized[..., 0, 0, 0], 2 * displacement[..., 0, 0, 0])
    torch.testing.assert_close(resized[..., -1, -1, -1], 2 * displacement[..., -1, -1, -1])


def test_the_same_shape_changes_nothing() -> None:
    displacement = torch.rand(1, 2, 8, 9)
    assert torch.equal(resize_displacement(displacement, (8, 9)), displacement)


def test_a_shape_of_other_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"resize_displacement\(\): 'shape' must have 3 sides .* got \(8, 8\)"):
        resize_displacement(torch.zeros(1, 3, 4, 4, 4), (8, 8))
