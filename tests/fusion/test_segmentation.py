"""Fusion networks that segment: sizes, equal networks under equal settings, and what each strategy shares."""

from itertools import product

import pytest
import torch

from fusemorph.complexity import count_flops, count_parameters
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import NAMED_PLANS
from fusemorph.fusion.segmentation import as_input, effective
from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.method import load_method

STRATEGIES = ("loss", "feature", "input", "all")
TINY = published_channels(2)


def test_golden_sizes_of_autofuse_semi() -> None:
    method = Fusion(plan="autofuse", segmentation="all")
    assert count_parameters(method, 3) == 8_777_786
    channels = published_channels(16, backbone="transformer")
    transformer = Fusion(plan="autofuse", segmentation="all", backbone="transformer", channels=channels)
    assert count_parameters(transformer, 3) == 42_975_466
    with torch.device("meta"):
        network = method.network(3)
    assert network.segments is not None
    parts = [sum(p.numel() for p in part.parameters()) for part in (network.single, network.segments)]
    assert sum(parts) == 1_044_916


@pytest.mark.parametrize(("plan", "strategy"), list(product(NAMED_PLANS, STRATEGIES)))
def test_any_plan_segments_both_images_in_either_direction(plan: str, strategy: str) -> None:
    method = Fusion(plan=plan, segmentation=strategy, channels=TINY, labels=(1, 5))  # type: ignore[arg-type]
    torch.manual_seed(0)
    network = method.network(2)
    first, second = torch.rand(2, 1, 1, 37, 24)
    single, both = network(first, second), network.both_directions(first, second)
    assert single.segmentation is not None
    assert both.segmentation is not None
    assert [tuple(logits.shape) for logits in single.segmentation] == [(1, 3, 37, 24)] * 2
    of_first, of_second = (logits.detach() for logits in single.segmentation)
    torch.testing.assert_close(both.segmentation[0].detach(), torch.cat((of_first, of_second)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(both.segmentation[1].detach(), torch.cat((of_second, of_first)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(both.displacement[:1], single.displacement, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_either_backbone_in_three_dimensions(strategy: str) -> None:
    channels = published_channels(1, backbone="transformer")
    for backbone, widths in (("convolution", TINY), ("transformer", channels)):
        method = Fusion(segmentation=strategy, backbone=backbone, channels=widths)  # type: ignore[arg-type]
        registration = method.network(3)(*torch.rand(2, 1, 1, 32, 16, 16))
        assert registration.segmentation is not None
        assert registration.segmentation[0].shape == (1, 4, 32, 16, 16)


def test_equal_networks_have_equal_settings() -> None:
    assert effective("feature", "jjjjjjj") == "loss"
    assert effective("all", "jjjjjjj") == "input"
    assert effective("all", "---/cccc") == "feature"
    assert effective("all", "sss/mmmm") == effective("all", "ggggggg") == "all"
    supervised = TrainingLoss(supervision=Supervision(segmentation_weight=1.0))
    plain = Fusion(plan="early", labels=(3, 4), segmentation_input="argmax", loss=supervised)
    assert plain.configuration() == Fusion(plan="early").configuration()
    every = Fusion(plan="early", segmentation="all", loss=supervised)
    assert every == Fusion(plan="early", segmentation="input", loss=supervised)
    assert load_method(every.configuration()) == every


def test_what_registers_begins_with_the_weights_that_it_has_without() -> None:
    states = []
    for strategy in ("none", "loss"):
        torch.manual_seed(3)
        states.append(Fusion(segmentation=strategy, channels=TINY).network(2).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_gradients_pass_a_soft_input_and_not_the_most_likely_class() -> None:
    logits = torch.randn(1, 4, 6, 6, requires_grad=True)
    soft, hard = as_input(logits, form="soft"), as_input(logits, form="argmax")
    assert torch.autograd.grad(soft.sum(), logits)[0].any()
    assert not hard.requires_grad
    certain = torch.nn.functional.one_hot(logits.argmax(1), 4).movedim(-1, 1) * 1e3
    torch.testing.assert_close(as_input(certain, form="soft"), hard)


@pytest.mark.parametrize("measure", ["parameters", "flops"])
def test_networks_that_segment_are_matched_as_others_are(measure: str) -> None:
    reference = Fusion(plan="c2f-autofuse", channels=published_channels(4), segmentation="all")
    method = Fusion(plan="c2f-match", channels=published_channels(4), segmentation="input")
    channels = match_channels(method, reference, measure=measure, shape=(32, 32))  # type: ignore[arg-type]
    found = [
        count_parameters(method, 2) if measure == "parameters" else count_flops(method, (32, 32))
        for method in (Fusion(plan="c2f-match", channels=channels, segmentation="input"), reference)
    ]
    assert found[0] / found[1] == pytest.approx(1, abs=0.03)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="'labels' must be positive and differ"):
        Fusion(labels=(1, 1))


@pytest.mark.parametrize("labels", [(1,), (1, 2, 3)])
def test_a_segmentation_begins_with_little_foreground(labels: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = Fusion(segmentation="all", channels=TINY, labels=labels).network(2)
    registration = network(*torch.rand(2, 1, 1, 32, 32))
    assert registration.segmentation is not None
    assert registration.segmentation[0].softmax(1)[:, 1:].sum(1).mean() < 0.2
