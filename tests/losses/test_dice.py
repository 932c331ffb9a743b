import torch

from fusemorph.losses.dice import focal, one_hot, soft_dice
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.metrics import dice_per_label
from fusemorph.networks.registration import Registration

LABELS = (1, 7, 9)


def _maps() -> tuple[torch.Tensor, torch.Tensor]:
    fixed = torch.zeros(1, 1, 8, 6, 6, dtype=torch.int16)
    fixed[..., 1:3, 1:4, 1:5], fixed[..., 3:5, 1:4, 1:5] = 1, 7
    return fixed, torch.roll(fixed, 1, dims=2)


def dice(fixed: torch.Tensor, moving: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """The term of case 11, as training computes it."""
    loss, images = TrainingLoss(dice_weight=1.0), torch.rand(2, *fixed.shape)
    terms = loss.terms(
        Registration(displacement=displacement), fixed=images[0], warped=images[1], labels=(fixed, moving),
        label_ids=LABELS,
    )  # fmt: skip
    return terms["dice_loss"]


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
    """A pair that lacks labels, or whose maps are empty, counts as 0 in the mean over the pairs."""
    fixed, moving = _maps()
    still = torch.zeros(2, 3, 8, 6, 6)
    for none in (torch.zeros_like(fixed), torch.full_like(fixed, -1)):
        half = dice(torch.cat([fixed, none]), torch.cat([moving, none]), still)
        torch.testing.assert_close(2 * half, dice(fixed, moving, still[:1]))
        one_of_two = dice(torch.cat([fixed, none]), torch.cat([moving, moving]), still)
        torch.testing.assert_close(one_of_two, half)
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


def test_without_the_labels_of_the_data_set_those_of_the_maps_are_taken() -> None:
    fixed, moving = _maps()
    still, images = torch.zeros(1, 3, 8, 6, 6), torch.rand(2, 1, 1, 8, 6, 6)
    terms = TrainingLoss(dice_weight=1.0).terms(
        Registration(displacement=still), fixed=images[0], warped=images[1], labels=(fixed, moving)
    )
    torch.testing.assert_close(terms["dice_loss"], dice(fixed, moving, still))


def test_soft_dice_and_focal_are_least_where_the_prediction_is_right() -> None:
    target = one_hot(_maps()[0], (1, 7))
    counted = torch.ones(1, 2, dtype=torch.bool)
    certain, unsure = target.clamp(0.001, 0.999), target.clamp(0.3, 0.7)
    for loss in (lambda p: soft_dice(target, p, counted), lambda p: focal(target, p)):
        assert loss(target) < 1e-6
        assert loss(certain) < loss(unsure) < loss(1 - unsure)


def test_focal_is_its_formula() -> None:
    """A voxel of the class at 0.6, and one of the others at 0.2, where cross-entropy would be -log 0.6 and -log 0.8."""
    target, predicted = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.6, 0.2]]])
    due = (0.25 * 0.4**2 * -torch.tensor(0.6).log() + 0.75 * 0.2**2 * -torch.tensor(0.8).log()) / 2
    torch.testing.assert_close(focal(target, predicted), due[None])
