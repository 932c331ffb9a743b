"""The gate over three candidates: what each setting does to its weights."""

import pytest
import torch

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.average import Average
from fusemorph.fusion.operators.gate import describe_weights
from fusemorph.fusion.operators.mixture import Mixture
from fusemorph.networks.registration import GateWeights

SHAPES = {"scalar": (1, 1, 1), "channel": (8, 1, 1), "voxel": (1, 5, 4), "voxel_channel": (8, 5, 4)}


def features() -> Features:
    generator = torch.Generator().manual_seed(3)
    return Features(*(torch.randn(2, count, 5, 4, generator=generator) for count in (8, 4, 4)))


def build(settings: GateSettings, *, trained: bool = True) -> Mixture:
    torch.manual_seed(0)
    mixture = Mixture(dims=2, channels=8, gate=settings)
    if trained:
        for logit in mixture.logits:
            torch.nn.init.normal_(logit.weight)  # type: ignore[arg-type]
    return mixture


def weigh(settings: GateSettings, *, noise: bool = False, trained: bool = True) -> GateWeights:
    generator = torch.Generator().manual_seed(1) if noise else None
    _, weights = build(settings, trained=trained)(features(), generator=generator)
    assert isinstance(weights, GateWeights)
    return weights


@pytest.mark.parametrize("granularity", SHAPES)
def test_weights_sum_to_one_at_each_granularity(granularity: str) -> None:
    weights = weigh(GateSettings(granularity=granularity))  # type: ignore[arg-type]
    assert weights.correlation is not None
    assert weights.joint.shape[1:] == SHAPES[granularity]
    total = weights.joint + weights.single + weights.correlation
    torch.testing.assert_close(total, torch.ones_like(total))


def test_three_sigmoids_do_not_compete() -> None:
    weights = weigh(GateSettings(normalisation="sigmoid"))
    assert weights.correlation is not None
    total = weights.joint + weights.single + weights.correlation
    assert total.max() > 1.5
    assert total.min() < 1.0


def test_hard_weights_choose_one_candidate_and_repeat_at_test_time() -> None:
    first, second = weigh(GateSettings(hard=True)), weigh(GateSettings(hard=True))
    stacked = torch.stack([weight for weight in first if weight is not None])
    assert set(stacked.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(stacked.sum(dim=0), torch.ones_like(stacked[0]))
    assert torch.equal(first.joint, second.joint)
    assert not torch.equal(first.joint, weigh(GateSettings(hard=True), noise=True).joint)


@pytest.mark.parametrize("normalisation", ["softmax", "sigmoid"])
def test_hard_weights_pass_a_gradient_in_training(normalisation: str) -> None:
    mixture = build(GateSettings(hard=True, normalisation=normalisation))  # type: ignore[arg-type]
    mixed, _ = mixture(features(), generator=torch.Generator().manual_seed(1))
    mixed.square().sum().backward()
    gradients = [mixture.get_parameter(f"logits.{i}.weight").grad for i in range(len(mixture.logits))]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_initial_bias_leans_towards_joint() -> None:
    weights = weigh(GateSettings(initial_bias=1.0), trained=False)
    expected = torch.tensor([1.0, -1.0, -1.0]).softmax(dim=0)
    torch.testing.assert_close(weights.joint, torch.full_like(weights.joint, expected[0].item()))


def test_held_at_a_third_each_it_is_the_average() -> None:
    mixture = build(GateSettings())
    mixture.held = (1 / 3, 1 / 3, 1 / 3)
    average = Average(dims=2, channels=8, gate=GateSettings())
    average.load_state_dict(mixture.state_dict(), strict=False)
    torch.testing.assert_close(mixture(features(), generator=None)[0], average(features(), generator=None)[0])


def test_description_of_weights() -> None:
    joint = torch.tensor([[[1.0, 0.0, 0.5, 0.95]]])
    described = describe_weights(GateWeights(joint, 1 - joint))
    assert described == pytest.approx(
        {"joint_weight": 0.6125, "single_weight": 0.3875, "spread": float(joint.std(correction=0)), "decided": 0.75}
    )
    third = torch.full((1, 1, 2), 1 / 3)
    described = describe_weights(GateWeights(third, third, third))
    assert described["correlation_weight"] == pytest.approx(1 / 3)
    assert described["decided"] == 0
