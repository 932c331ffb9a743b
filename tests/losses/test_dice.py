import torch

from fusemorph.losses import dice
from fusemorph.metrics import dice_per_label


def _maps() -> tuple[torch.Tensor, torch.Tensor]:
    fixed = torch.zeros(1, 1, 8, 6, 6, dtype=torch.int16)
    fixed[..., 1:3, 1:4, 1:5], fixed[..., 3:5, 1:4, 1:5] = 1, 7
    return fixed, torch.roll(fixed, 1, dims=2)


def test_without_motion_it_is_one_minus_the_metric() -> None:
    fixed, moving = _maps()
    arrays = (fixed[0, 0].numpy(), moving[0, 0].numpy())
    scores = dice_per_label(*arrays, moving_labels=arrays[1], labels=(1, 7))
    torch.testing.assert_close(dice(fixed, moving, torch.zeros(1, 3, 8, 6, 6)), torch.tensor(float(1 - scores.mean())))


def test_the_true_shift_costs_nothing_and_the_gradient_leads_there() -> None:
    fixed, moving = _maps()
    shift = torch.zeros(1, 3, 8, 6, 6)
    shift[:, 0] = 1
    assert dice(fixed, moving, shift) < 1e-6
    displacement = torch.full_like(shift, 0.1).requires_grad_()
    dice(fixed, moving, displacement).backward()
    assert displacement.grad is not None
    assert displacement.grad[:, 0].sum() < 0


def test_a_batch_may_be_labelled_in_part() -> None:
    fixed, moving = _maps()
    none = torch.zeros_like(fixed)
    still = torch.zeros(2, 3, 8, 6, 6)
    half = dice(torch.cat([fixed, none]), torch.cat([moving, none]), still)
    torch.testing.assert_close(half, dice(fixed, moving, still[:1]))
    displacement = torch.zeros(1, 3, 8, 6, 6, requires_grad=True)
    nothing = dice(none, none, displacement)
    nothing.backward()
    assert nothing == 0
    assert displacement.grad is not None
    assert displacement.grad.abs().sum() == 0


def test_a_label_of_one_map_alone_is_not_counted() -> None:
    fixed, moving = _maps()
    still = torch.zeros(1, 3, 8, 6, 6)
    extra = fixed.clone()
    extra[..., 5, 5, 5] = 9
    torch.testing.assert_close(dice(extra, moving, still), dice(fixed, moving, still))
