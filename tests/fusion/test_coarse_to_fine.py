"""Coarse-to-fine decoding: sizes, what the stages see, one velocity in the end, both directions at once."""

import pytest
import torch

from baselines.instance_optimisation import integrate
from fusemorph.complexity import count_flops, count_parameters
from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.integrate import resize_displacement
from fusemorph.warp import warp

PLANS = ("c2f-joint", "c2f-correlation", "c2f-match", "c2f-autofuse")
SIZES = {"c2f-joint": 1_614_159, "c2f-correlation": 676_663, "c2f-match": 2_457_143, "c2f-autofuse": 2_569_143}
SMALL = {"convolution": (4, 8, 8, 16, 16), "transformer": (8, 8, 16, 16)}


def build(plan: str, *, dims: int = 3, backbone: str = "convolution", **settings: object) -> FusionNetwork:
    torch.manual_seed(0)
    network = FusionNetwork(dims=dims, plan=plan, channels=SMALL[backbone], backbone=backbone, **settings)  # type: ignore[arg-type]
    for name, parameter in network.named_parameters():
        if name.startswith(("head.mean.weight", "residuals.")) and parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.05)
    return network


def images(*shape: int, count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, count, 1, *shape, generator=generator)
    return first, second


@pytest.mark.parametrize("plan", PLANS)
def test_sizes_at_c_8(plan: str) -> None:
    assert count_parameters(Fusion(plan=plan, channels=published_channels(8)), 3) == SIZES[plan]


@pytest.mark.parametrize("backbone", SMALL)
@pytest.mark.parametrize("shape", [(9, 24, 33), (48, 32), (13, 40)])
@pytest.mark.parametrize("plan", PLANS)
def test_any_shape_in_2_d_and_3_d(plan: str, shape: tuple[int, ...], backbone: str) -> None:
    registration = build(plan, dims=len(shape), backbone=backbone)(*images(*shape))
    assert registration.displacement.shape == (1, len(shape), *shape)
    assert registration.velocity is not None
    assert torch.isfinite(registration.displacement).all()
    assert registration.coarser == ()


@pytest.mark.parametrize("plan", PLANS)
def test_every_weight_learns(plan: str) -> None:
    network = build(plan, dims=2)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and not module.weight.detach().any():
            torch.nn.init.normal_(module.weight)
    registration = network(*images(32, 48), generator=torch.Generator().manual_seed(0))
    (registration.displacement.square().sum() + registration.log_variance.sum()).backward()
    unlearned = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in unlearned if not name.endswith(".bias")] == []


@pytest.mark.parametrize("plan", PLANS)
def test_both_directions_are_the_two_directions(plan: str) -> None:
    network = build(plan, dims=2)
    first, second = images(32, 40, count=2)
    with torch.no_grad():
        both = network.both_directions(first, second)
        there, back = network(first, second), network(second, first)
    assert both.both_directions
    expected = torch.cat((there.displacement, back.displacement))
    torch.testing.assert_close(both.displacement, expected, atol=1e-4, rtol=1e-4)
    for stage, weights in both.gates.items():
        torch.testing.assert_close(weights.joint[:2], there.gates[stage].joint, atol=1e-4, rtol=1e-4)


def test_residuals_add_up_to_one_velocity() -> None:
    """Each stage's bias is a constant residual; on the last grid they sum, each scaled by the ratio of the grids."""
    network = build("c2f-correlation", dims=2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    for stage, value in ((4, 0.5), (5, 0.25), (6, 0.125)):
        torch.nn.init.constant_(network.get_parameter(f"residuals.{stage}.mean.bias"), value)
    torch.nn.init.constant_(network.get_parameter("head.mean.bias"), 1.0)
    registration = network(*images(32, 64))
    expected = torch.full((1, 2, 16, 32), 0.5 * 8 + 0.25 * 4 + 0.125 * 2 + 1.0)
    torch.testing.assert_close(registration.velocity, expected)
    torch.testing.assert_close(registration.displacement, torch.full((1, 2, 32, 64), 2 * 6.25), atol=1e-3, rtol=1e-4)


def test_a_stage_reads_the_moving_image_warped_by_the_coarser_stages() -> None:
    network = build("c2f-match", dims=2)
    for stage in network.residuals:
        torch.nn.init.zeros_(network.get_parameter(f"residuals.{stage}.mean.weight"))
    torch.nn.init.constant_(network.get_parameter("residuals.4.mean.bias"), 0.5)
    seen: dict[str, Features] = {}
    for stage, operator in network.operators.items():
        operator.register_forward_pre_hook(lambda _, inputs, stage=stage: seen.update({stage: inputs[0]}))
    fixed, moving = images(32, 64)
    with torch.no_grad():
        network(fixed, moving)
        still = network._single_features(torch.cat((fixed, moving)))
    torch.testing.assert_close(seen["4"].moving, still[4][1:])
    shift = resize_displacement(torch.full((1, 2, 2, 4), 0.5), (4, 8))
    torch.testing.assert_close(seen["5"].moving, warp(still[5][1:], shift), atol=1e-4, rtol=1e-4)
    assert seen["5"].moving is not None
    assert not torch.allclose(seen["5"].moving, still[5][1:])
    torch.testing.assert_close(seen["7"].fixed, still[7][:1])


def test_the_displacement_is_that_of_the_velocity() -> None:
    """So instance optimisation starts where the network ended."""
    registration = build("c2f-joint")(*images(20, 32, 24))
    assert registration.velocity is not None
    torch.testing.assert_close(integrate(registration.velocity, (20, 32, 24)), registration.displacement)


def test_coarser_stages_are_remembered_in_training() -> None:
    registration = build("c2f-match", dims=2)(*images(32, 64), generator=torch.Generator().manual_seed(0))
    assert [tuple(stage.velocity.shape[2:]) for stage in registration.coarser] == [(8, 16), (4, 8), (2, 4)]
    assert all(stage.fixed.shape[2:] == stage.velocity.shape[2:] for stage in registration.coarser)


def test_checkpointing_changes_nothing() -> None:
    fixed, moving = images(16, 32, 16)
    found = []
    for checkpointing in (False, True):
        network = build("c2f-autofuse", checkpointing=checkpointing)
        registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
        registration.displacement.square().sum().backward()
        found.append([registration.displacement, *(p.grad for p in network.parameters() if p.grad is not None)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("measure", ["parameters", "flops"])
@pytest.mark.parametrize("plan", ["autofuse", "c2f-correlation", "c2f-match"])
def test_plans_of_either_decoding_are_matched_to_the_same_reference(plan: str, measure: str) -> None:
    reference = Fusion(plan="c2f-autofuse", channels=published_channels(4))
    method = Fusion(plan=plan)
    count = (lambda m: count_flops(m, (48, 64, 48))) if measure == "flops" else (lambda m: count_parameters(m, 3))
    channels = match_channels(method, reference, measure=measure, shape=(48, 64, 48))  # type: ignore[arg-type]
    assert abs(count(Fusion(plan=plan, channels=channels)) / count(reference) - 1) <= 0.03


def test_gates_of_both_kinds_are_held_at_given_weights() -> None:
    network = build("ggg/qqqq", dims=2, gate=GateSettings(rate=30.0))
    network.hold_gates({1: {"joint": 0.25, "single": 0.75}, 7: {"joint": 0.5, "single": 0.2, "correlation": 0.3}})
    pair = images(32, 32)
    held = network(*pair)
    torch.testing.assert_close(held.gates[1].single.unique(), torch.tensor([0.75]))
    torch.testing.assert_close(held.gates[7].correlation.unique(), torch.tensor([0.3]))
    network.hold_gates({})
    assert network(*pair).gates[1].single.unique().numel() > 1


def test_the_logits_of_gates_learn_at_their_own_rate() -> None:
    network = build("ggg/qqqq", dims=2, gate=GateSettings(rate=30.0))
    rates = {name: network.rate_of(name) for name, _ in network.named_parameters()}
    logits = {name for name, rate in rates.items() if rate == 30.0}
    assert logits == {name for name in rates if "logit" in name}
    assert len(logits) == 3 * 2 * 2 + 4 * 3 * 2
