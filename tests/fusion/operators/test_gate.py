"""Fusion Gates: what each setting does to the weights."""

import pytest
import torch
from torch import Tensor

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.gate import Gate
from fusemorph.networks.registration import GateWeights

SHAPES = {"scalar": (1, 1, 1, 1), "channel": (8, 1, 1, 1), "voxel": (1, 4, 4, 4), "voxel_channel": (8, 4, 4, 4)}


def run(
    settings: GateSettings, *, noise: bool = False, trained: bool = True
) -> tuple[Gate, Features, Tensor, GateWeights]:
    torch.manual_seed(0)
    gate = Gate(dims=3, channels=8, gate=settings)
    if trained:
        for logit in (gate.joint_logit, gate.single_logit):
            torch.nn.init.normal_(logit.weight)
    features = Features(torch.randn(2, 8, 4, 4, 4), torch.randn(2, 4, 4, 4, 4), torch.randn(2, 4, 4, 4, 4))
    mixed, weights = gate(features, generator=torch.Generator().manual_seed(1) if noise else None)
    assert weights is not None
    return gate, features, mixed, weights


@pytest.mark.parametrize("granularity", SHAPES)
def test_granularity_gives_one_weight_per_kept_axis(granularity: str) -> None:
    settings = GateSettings(granularity=granularity)  # type: ignore[arg-type]
    _, features, mixed, weights = run(settings)
    assert weights.joint.shape == (2, *SHAPES[granularity])
    assert mixed.shape == features.joint.shape  # type: ignore[union-attr]


def test_every_granularity_has_the_same_parameters() -> None:
    gates = [run(GateSettings(granularity=granularity))[0] for granularity in SHAPES]  # type: ignore[arg-type]
    assert len({sum(p.numel() for p in gate.parameters()) for gate in gates}) == 1


def test_softmax_weights_sum_to_one_and_mix() -> None:
    gate, features, mixed, weights = run(GateSettings())
    single, _ = gate.single(features, generator=None)
    assert features.joint is not None
    torch.testing.assert_close(weights.joint + weights.single, torch.ones_like(weights.joint))
    torch.testing.assert_close(mixed, weights.joint * features.joint + weights.single * single)


def test_softmax_equals_that_of_the_two_logits() -> None:
    gate, features, _, weights = run(GateSettings(temperature=2.0))
    single, _ = gate.single(features, generator=None)
    both = torch.cat((features.joint, single), dim=1)  # type: ignore[arg-type]
    logits = torch.stack((gate.joint_logit(both), gate.single_logit(both)))
    torch.testing.assert_close(torch.softmax(logits / 2.0, dim=0)[0], weights.joint)


def test_sigmoid_weights_are_independent() -> None:
    weights = run(GateSettings(normalisation="sigmoid"))[3]
    assert ((weights.joint + weights.single) - 1).abs().max() > 0.1


def test_untrained_logits_do_not_depend_on_the_features_but_on_biases() -> None:
    weights = run(GateSettings(), trained=False)[3]
    assert weights.joint.std(dim=(0, 2, 3, 4)).max() < 1e-6
    assert weights.joint.std() > 0  # the biases do not start at zero


def test_initial_bias_leans_towards_joint() -> None:
    weights = run(GateSettings(initial_bias=1.0), trained=False)[3]
    torch.testing.assert_close(weights.joint, torch.full_like(weights.joint, torch.sigmoid(torch.tensor(2.0)).item()))


def test_hard_gates_choose_and_repeat_at_test_time() -> None:
    first, second = run(GateSettings(hard=True))[3], run(GateSettings(hard=True))[3]
    assert set(first.joint.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(first.joint, second.joint)


def test_hard_gates_draw_in_training_and_pass_a_gradient() -> None:
    gate, _, mixed, weights = run(GateSettings(hard=True), noise=True)
    assert not torch.equal(weights.joint, run(GateSettings(hard=True))[3].joint)
    mixed.square().sum().backward()
    assert gate.joint_logit.weight.grad is not None
    assert gate.joint_logit.weight.grad.abs().sum() > 0


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="'temperature' must be positive"):
        GateSettings(temperature=0.0)
