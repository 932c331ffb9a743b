"""Terms of supervision: which pairs they hold for, and whom their gradients reach."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fusemorph.losses.supervision import UNLABELLED, Supervision
from fusemorph.networks.registration import Registration

IDS = (2, 5)
EACH = Supervision(segmentation_weight=1.0, fixed_labels_weight=1.0, moving_labels_weight=1.0, predictions_weight=1.0)
CASES = {"11": (True, True), "10": (True, False), "01": (False, True), "00": (False, False)}
DUE = {
    "11": {"dice_loss", "segmentation"},
    "10": {"segmentation", "fixed_labels"},
    "01": {"segmentation", "moving_labels"},
    "00": {"predictions"},
}


def labels_of(case: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    fixed = torch.zeros(1, 1, 12, 10, dtype=torch.int16)
    fixed[..., 2:6, 2:7], fixed[..., 6:9, 3:8] = 2, 5
    none = torch.full_like(fixed, UNLABELLED)
    return (fixed if case[0] else none, torch.roll(fixed, 1, 2) if case[1] else none)


def registration(batch: int = 1) -> Registration:
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(batch, 3, 12, 10, generator=generator).requires_grad_() for _ in range(2)]
    displacement = 0.3 * torch.randn(batch, 2, 12, 10, generator=generator)
    return Registration(displacement=displacement.requires_grad_(), segmentation=(logits[0], logits[1]))


def terms(case: str, supervision: Supervision, found: Registration | None = None) -> dict[str, Tensor]:
    return supervision.terms(found or registration(), labels_of(CASES[case]), label_ids=IDS, dice_weight=1.0)


def reached(term: Tensor, found: Registration) -> set[str]:
    """What the gradient of a term is not zero on."""
    assert found.segmentation is not None
    parts = {"displacement": found.displacement, "fixed": found.segmentation[0], "moving": found.segmentation[1]}
    gradients = torch.autograd.grad(term, list(parts.values()), allow_unused=True, retain_graph=True)
    return {name for name, gradient in zip(parts, gradients, strict=True) if gradient is not None and gradient.any()}


@pytest.mark.parametrize("case", CASES)
def test_a_term_holds_for_its_own_cases(case: str) -> None:
    found = terms(case, EACH)
    assert set(found) == {"dice_loss", "segmentation", "fixed_labels", "moving_labels", "predictions"}
    assert {name for name, value in found.items() if value > 0} == DUE[case]


def test_with_stand_ins_always_predictions_take_part_beside_labels() -> None:
    always = replace(EACH, stand_ins="always")
    assert {name for name, value in terms("11", always).items() if value > 0} == {
        "dice_loss", "segmentation", "fixed_labels", "moving_labels",
    }  # fmt: skip


def test_a_batch_of_all_cases_is_the_mean_of_its_pairs() -> None:
    single = [terms(case, EACH) for case in CASES]
    found = registration()
    maps = [labels_of(case) for case in CASES.values()]
    assert found.segmentation is not None
    mixed = Registration(
        displacement=found.displacement.repeat(4, 1, 1, 1),
        segmentation=(found.segmentation[0].repeat(4, 1, 1, 1), found.segmentation[1].repeat(4, 1, 1, 1)),
    )
    labels = (
        torch.cat([maps_of_pair[0] for maps_of_pair in maps]),
        torch.cat([maps_of_pair[1] for maps_of_pair in maps]),
    )
    together = EACH.terms(mixed, labels, label_ids=IDS, dice_weight=1.0)
    for name, value in together.items():
        torch.testing.assert_close(value, torch.stack([terms[name] for terms in single]).mean())


@pytest.mark.parametrize(
    ("case", "term", "detached", "due"),
    [
        ("11", "dice_loss", True, {"displacement"}),
        ("11", "segmentation", True, {"fixed", "moving"}),
        ("10", "fixed_labels", True, {"displacement"}),
        ("10", "fixed_labels", False, {"displacement", "moving"}),
        ("01", "moving_labels", True, {"displacement"}),
        ("01", "moving_labels", False, {"displacement", "fixed"}),
        ("00", "predictions", True, {"displacement"}),
        ("00", "predictions", False, {"displacement", "fixed", "moving"}),
    ],
)
def test_gradients_reach_what_a_term_is_for(case: str, term: str, detached: bool, due: set[str]) -> None:
    found = registration()
    assert reached(terms(case, replace(EACH, detached=detached), found)[term], found) == due


def test_published_terms_that_warp_label_maps_pass_no_gradient_to_the_displacement() -> None:
    published = replace(EACH, stand_ins="always", detached=False, label_warp="nearest", focal_weight=1.0)
    found = registration()
    values = terms("11", published, found)
    assert values["dice_loss"] > 0
    assert reached(values["dice_loss"], found) == set()
    assert reached(values["moving_labels"], found) == {"fixed"}
    assert reached(values["fixed_labels"], found) == {"displacement", "moving"}


def test_without_a_segmentation_only_labels_against_labels_are_left() -> None:
    found = replace(registration(), segmentation=None)
    assert set(terms("11", EACH, found)) == {"dice_loss"}


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="'focal_weight' must be 0 or more"):
        Supervision(focal_weight=-1.0)
