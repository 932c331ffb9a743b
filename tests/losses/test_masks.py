"""Similarity within a mask: what is outside plays no part, and a mask of everything changes no bit."""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from fusemorph.losses import mse, mutual_information, ncc
from fusemorph.losses.resolutions import coarser_ncc, ncc_at_levels
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.networks.registration import Coarser, Registration

MEASURES: dict[str, Callable[..., Tensor]] = {
    "ncc": partial(ncc, window=5),
    "textured ncc": partial(ncc, window=5, textured=True),
    "ncc at levels": partial(ncc_at_levels, window=7, levels=2),
    "mse": mse,
    "mutual information": mutual_information,
    "normalised mutual information": partial(mutual_information, normalised=True),
}
SHAPES = [(14, 17), (11, 12, 13)]


def image(shape: tuple[int, ...], seed: int, batch: int = 2) -> Tensor:
    return torch.rand(batch, 1, *shape, generator=torch.Generator().manual_seed(seed))


def ball(shape: tuple[int, ...], batch: int = 2) -> Tensor:
    """1 within a ball, another one in each image of the batch."""
    places = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, side) for side in shape), indexing="ij"))
    balls = [(places - shift).norm(dim=0) < 0.7 for shift in np.linspace(0, 0.2, batch)]
    return torch.stack(balls)[:, None].float()


def with_gradient(measure: Callable[..., Tensor], fixed: Tensor, warped: Tensor, **more: Tensor) -> tuple[Tensor, ...]:
    pair = [image_of.clone().requires_grad_() for image_of in (fixed, warped)]
    loss = measure(*pair, **more)
    return loss.detach(), *torch.autograd.grad(loss, pair)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MEASURES)
def test_a_mask_of_everything_changes_no_bit(name: str, shape: tuple[int, ...]) -> None:
    fixed, warped = image(shape, 1), image(shape, 2)
    without = with_gradient(MEASURES[name], fixed, warped)
    within = with_gradient(MEASURES[name], fixed, warped, mask=torch.ones_like(fixed))
    assert all(torch.equal(*both) for both in zip(without, within, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MEASURES)
def test_what_is_outside_plays_no_part(name: str, shape: tuple[int, ...]) -> None:
    fixed, warped, mask = image(shape, 1), image(shape, 2), ball(shape)
    loss, *gradients = with_gradient(MEASURES[name], fixed, warped, mask=mask)
    others = [torch.where(mask > 0, image_of, image(shape, 7)) for image_of in (fixed, warped)]
    assert torch.equal(MEASURES[name](*others, mask=mask), loss)
    for gradient in gradients:
        assert not gradient[mask == 0].any()
        assert gradient[mask > 0].any()
    assert not torch.equal(MEASURES[name](fixed, warped), loss)


@pytest.mark.parametrize("name", ["ncc", "textured ncc", "ncc at levels"])
def test_the_analytic_gradient_within_a_mask_is_that_of_the_loss(name: str) -> None:
    shape = (9, 10)
    fixed, warped, mask = (tensor.double() for tensor in (image(shape, 1), image(shape, 2), ball(shape)))
    _, _, gradient = with_gradient(MEASURES[name], fixed, warped, mask=mask)
    step = 1e-5 * image(shape, 5).double()
    change = MEASURES[name](fixed, warped + step, mask=mask) - MEASURES[name](fixed, warped - step, mask=mask)
    assert change.item() == pytest.approx(2 * (gradient * step).sum().item(), rel=1e-3)


def test_local_correlation_is_that_of_the_voxels_inside_each_window() -> None:
    shape, window = (7, 8, 9), 5
    fixed, warped, mask = (tensor[0, 0].numpy() for tensor in (image(shape, 1), image(shape, 2), ball(shape)))
    warped = warped + fixed
    squared = []
    for centre in product(*map(range, shape)):
        cube = tuple(slice(max(at - window // 2, 0), at + window // 2 + 1) for at in centre)
        if mask[centre]:
            inside = mask[cube] > 0
            squared.append(np.corrcoef(fixed[cube][inside], warped[cube][inside])[0, 1] ** 2)
    tensors = [torch.from_numpy(array)[None, None] for array in (fixed, warped, mask)]
    assert ncc(*tensors[:2], window=window, mask=tensors[2]).item() == pytest.approx(1 - np.mean(squared), abs=2e-3)


def test_squares_are_averaged_over_the_voxels_inside() -> None:
    fixed, warped, mask = image((11, 12, 13), 1), image((11, 12, 13), 2), ball((11, 12, 13))
    expected = (fixed - warped)[mask > 0].square().mean()
    torch.testing.assert_close(mse(fixed, warped, mask=mask), expected)


def test_all_terms_of_similarity_are_limited_and_no_other_term() -> None:
    shape = (16, 16, 16)
    fixed, warped, mask = image(shape, 1, 1), image(shape, 2, 1), ball(shape, 1)
    displacement = 0.1 * torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    coarse = Coarser(velocity=torch.zeros(1, 3, 4, 4, 4), fixed=image((4, 4, 4), 3, 1), moving=image((4, 4, 4), 4, 1))
    registration = Registration(displacement=displacement, coarser=(coarse,))
    loss = TrainingLoss(coarser_weight=1.0, diffusion_weight=1.0)
    whole = loss.terms(registration, fixed=fixed, warped=warped)
    within = loss.terms(registration, fixed=fixed, warped=warped, mask=mask)
    differing = {name for name in whole if not torch.equal(whole[name], within[name])}
    assert differing == {"similarity", "coarser_similarity"}
    everything = loss.terms(registration, fixed=fixed, warped=warped, mask=torch.ones_like(mask))
    assert all(torch.equal(whole[name], everything[name]) for name in whole)
    assert coarser_ncc([coarse]).isfinite()
