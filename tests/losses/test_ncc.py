from inspect import unwrap
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from fusemorph.losses import ncc

SHAPES = [(24, 26), (24, 25, 26)]


def textured(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


def ncc_by_windows(fixed: np.ndarray, warped: np.ndarray, window: int) -> float:
    """The definition: one correlation coefficient per voxel, over the voxels that its window truly holds."""
    squared = []
    for centre in product(*map(range, fixed.shape)):
        cube = tuple(slice(max(c - window // 2, 0), c + window // 2 + 1) for c in centre)
        squared.append(np.corrcoef(fixed[cube].ravel(), warped[cube].ravel())[0, 1] ** 2)
    return 1 - float(np.mean(squared))


@pytest.mark.parametrize("window", [3, 5, 9])
@pytest.mark.parametrize("shape", [(11, 13), (7, 8, 9)])
def test_equals_a_correlation_coefficient_in_each_window(shape: tuple[int, ...], window: int) -> None:
    fixed = textured(shape, 1).double()
    warped = 0.5 * fixed + textured(shape, 2)
    expected = ncc_by_windows(fixed[0, 0].numpy(), warped[0, 0].numpy(), window)
    assert ncc(fixed, warped, window=window).item() == pytest.approx(expected, abs=2e-3)
    assert ncc(fixed.float(), warped.float(), window=window).item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_window_over_everything_gives_the_global_correlation(shape: tuple[int, ...]) -> None:
    fixed, warped = textured(shape, 1), textured(shape, 2)
    warped = fixed + warped
    correlation = np.corrcoef(fixed.flatten().numpy(), warped.flatten().numpy())[0, 1]
    assert ncc(fixed, warped, window=53).item() == pytest.approx(1 - correlation**2, abs=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.1, 5.0), (-3.0, 100.0), (0.001, -1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_change_of_intensity_costs_nothing(shape: tuple[int, ...], scale: float, shift: float) -> None:
    image = textured(shape)
    assert 0 <= ncc(image, scale * image + shift).item() <= 0.005


@pytest.mark.parametrize("shape", SHAPES)
def test_unrelated_images_are_far_from_alike(shape: tuple[int, ...]) -> None:
    assert ncc(textured(shape, 1), textured(shape, 2)).item() > 0.9


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.0, 0.7, 1000.0])
def test_flat_images_are_uncorrelated_with_finite_gradients(shape: tuple[int, ...], level: float) -> None:
    flat = torch.full((1, 1, *shape), level)
    for fixed, moving in ((flat, flat.clone()), (textured(shape), flat.clone()), (flat, textured(shape))):
        warped = moving.requires_grad_()
        loss = ncc(fixed, warped)
        (gradient,) = torch.autograd.grad(loss, warped)
        assert loss.item() == pytest.approx(1.0, abs=1e-3)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("background", [0.0, 0.9])
def test_rounding_on_a_flat_background_moves_nothing(background: float) -> None:
    fixed = torch.full((1, 1, 24, 24, 32), background)
    fixed[..., :12] = textured((24, 24, 12), 1)
    warped = torch.full_like(fixed, background)
    warped[..., :12] = 0.5 * fixed[..., :12] + 0.5 * textured((24, 24, 12), 2)
    gradients = [
        torch.autograd.grad(ncc(fixed.to(dtype), leaf), leaf)[0]
        for dtype in (torch.float32, torch.float64)
        for leaf in (warped.to(dtype).requires_grad_(),)
    ]
    largest = gradients[1].abs().max()
    assert (gradients[0] - gradients[1]).abs().max() < 1e-3 * largest
    assert gradients[0][..., -8:].abs().max() < 1e-4 * largest


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_gradients_with_respect_to_both_images_are_exact(shape: tuple[int, ...]) -> None:
    fixed, warped = (
        torch.rand(2, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        for seed in (1, 2)
    )
    assert torch.autograd.gradcheck(lambda f, w: ncc(f, w, window=3), (fixed, warped))


def test_each_image_of_a_batch_and_each_channel_counts_alone() -> None:
    fixed, warped = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)
    alone = [ncc(fixed[i : i + 1, c : c + 1], warped[i : i + 1, c : c + 1]) for i, c in product(range(2), range(3))]
    torch.testing.assert_close(ncc(fixed, warped), torch.stack(alone).mean())


def test_bfloat16_and_autocast_do_not_lower_the_precision() -> None:
    fixed, warped = textured((24, 24, 24), 1).bfloat16(), textured((24, 24, 24), 2).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ncc(fixed, warped)
    assert loss.dtype == torch.float32
    assert loss.item() == ncc(fixed.float(), warped.float()).item()


@pytest.mark.parametrize("window", [4, 1, -9])
def test_windows_without_a_centre_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match=rf"ncc\(\): 'window' must be an odd number of 3 or more voxels, got {window}"):
        ncc(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), window=window)


def test_unlike_shapes_are_named() -> None:
    # Without the type check of the tests, which would find them first.
    with pytest.raises(ValueError, match=r"ncc\(\): 'warped' must have the shape \(1, 1, 8, 8\) of 'fixed', got"):
        unwrap(ncc)(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))


def test_the_same_images_give_the_same_bits() -> None:
    fixed, warped = textured((24, 25, 26), 1), textured((24, 25, 26), 2).requires_grad_()
    runs = []
    for _ in range(3):
        loss = ncc(fixed, warped)
        runs.append((loss.item(), torch.autograd.grad(loss, warped)[0]))
    assert all(value == runs[0][0] and torch.equal(gradient, runs[0][1]) for value, gradient in runs)
