"""Similarity at several resolutions, and after the coarser stages of a network."""

import pytest
import torch

from fusemorph.losses import TrainingLoss
from fusemorph.losses.ncc import ncc
from fusemorph.losses.resolutions import coarser_ncc
from fusemorph.networks.registration import Coarser, Registration


def test_coarser_stages_weigh_half_as_much_each() -> None:
    torch.manual_seed(0)
    pairs = [torch.rand(2, 1, 1, side, side + 3) for side in (16, 8)]
    stages = tuple(Coarser(fixed, moving, torch.zeros(1, 2, *fixed.shape[2:])) for fixed, moving in pairs)
    expected = 0.5 * ncc(*pairs[0], window=5) + 0.25 * ncc(*pairs[1], window=3)
    torch.testing.assert_close(coarser_ncc(stages, window=9), expected)


def test_a_coarser_stage_is_compared_after_its_own_warp() -> None:
    fixed = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    moving = fixed.roll(2, dims=2)
    shift = torch.zeros(1, 2, 20, 20)
    shift[:, 0] = 2.0
    aligned, still = (coarser_ncc((Coarser(fixed, moving, velocity),)) for velocity in (shift, torch.zeros_like(shift)))
    assert float(aligned) < 0.3 * float(still)


def test_terms_are_there_as_the_weights_say() -> None:
    fixed, warped = torch.rand(2, 2, 1, 16, 16)
    stage = Coarser(fixed, warped, torch.zeros(2, 2, 16, 16))
    registration = Registration(displacement=torch.zeros(2, 2, 16, 16), coarser=(stage,), both_directions=True)
    loss = TrainingLoss(coarser_weight=2.0, inverse_consistency_weight=1.0)
    terms = loss.terms(registration, fixed=fixed, warped=warped)
    assert set(terms) == {"similarity", "coarser_similarity", "folding_penalty", "inverse_consistency"}
    torch.testing.assert_close(terms["coarser_similarity"], 2 * coarser_ncc((stage,)))
    assert set(TrainingLoss().terms(registration, fixed=fixed, warped=warped)) == {"similarity", "folding_penalty"}


@pytest.mark.parametrize("settings", [{"levels": 2}, {"textured": True}, {"coarser_weight": 1.0}])
def test_what_is_defined_for_ncc_alone_is_refused_elsewhere(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"TrainingLoss\(\): 'similarity' must be ncc with"):
        TrainingLoss(similarity="mse", **settings)  # type: ignore[arg-type]


def test_flat_windows_of_fixed_count_for_nothing() -> None:
    """With a flat margin wider than the window, the loss of the whole is that of the textured windows alone."""
    torch.manual_seed(0)
    fixed = torch.zeros(1, 1, 40, 40)
    fixed[..., 10:30, 10:30] = torch.rand(20, 20)
    warped = (fixed + 0.3 * torch.rand(1, 1, 40, 40)).requires_grad_()
    whole, textured = ncc(fixed, warped, window=5), ncc(fixed, warped, window=5, textured=True)
    share = (24 / 40) ** 2  # windows of 5 that reach a textured voxel
    torch.testing.assert_close(1 - whole, share * (1 - textured), rtol=1e-3, atol=0)
    gradients = [torch.autograd.grad(loss, warped, retain_graph=True)[0] for loss in (whole, textured)]
    torch.testing.assert_close(gradients[0], share * gradients[1], rtol=1e-2, atol=1e-7)


def test_the_gradient_over_textured_windows_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    fixed = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    fixed[..., :4, :] = 0.5
    warped = torch.rand(1, 1, 9, 8, dtype=torch.float64, requires_grad=True)
    # Mean and scale are constants of the gradient, so compare along a direction that leaves both as they are.
    direction = torch.randn(1, 1, 9, 8, dtype=torch.float64)
    flat = warped.detach() - warped.detach().mean()
    direction -= direction.mean()
    direction -= flat * (direction * flat).sum() / flat.square().sum()
    (gradient,) = torch.autograd.grad(ncc(fixed, warped, window=3, textured=True), warped)
    ahead, behind = (ncc(fixed, warped + s * 1e-5 * direction, window=3, textured=True) for s in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx(float((ahead - behind).detach()) / 2e-5, rel=1e-4)
