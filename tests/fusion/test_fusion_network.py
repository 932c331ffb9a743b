"""The fusion networks: golden sizes, liveness, any shape, determinism, precision."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from fusemorph.complexity import count_cost
from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from tests.fusion.network_laws import (
    assert_checkpointing_gives_the_same_gradients,
    assert_every_weight_learns,
    assert_half_precision_stays_near_full,
)

SMALL = (4, 8, 8, 16, 16)
GOLDEN = {
    ("early", True): 5_697_606,
    ("early", False): 4_188_358,
    ("middle", True): 5_329_942,
    ("middle", False): 3_820_694,
    ("late", True): 1_343_254,
    ("late", False): 1_248_854,
    ("autofuse", True): 8_748_310,
    ("autofuse", False): 7_239_062,
}


def build(plan: str = "autofuse", *, dims: int = 3, **settings: object) -> FusionNetwork:
    torch.manual_seed(0)
    return FusionNetwork(dims=dims, plan=plan, channels=SMALL, **settings)  # type: ignore[arg-type]


def size(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("plan", "refine"), GOLDEN)
def test_published_sizes(plan: str, refine: bool) -> None:
    with torch.device("meta"):
        network = FusionNetwork(dims=3, plan=plan, channels=published_channels(16), refine=refine)
    assert size(network) == GOLDEN[plan, refine]


def test_sizes_of_the_parts_of_autofuse() -> None:
    with torch.device("meta"):
        network = FusionNetwork(dims=3, plan="autofuse", channels=published_channels(16))
    gates = [size(network.operators[str(s)]) + size(network.refinements[str(s)]) for s in range(1, 8)]
    assert size(network.single) == 1_017_168
    assert gates == [221_568, 221_568, 885_504, 885_504, 885_504, 221_568, 221_568]
    assert size(network.head) == 121_030


def test_published_flops() -> None:
    assert count_cost(Fusion(), (48, 64, 64))[1] == 94_404_870_144


@pytest.mark.parametrize("plan", ["jjjjjjj", "ssssjjj", "------s", "g----sj", "pdcgjsg"])
def test_every_weight_of_a_plan_learns(plan: str) -> None:
    assert_every_weight_learns(build(plan))


def test_a_dead_stage_changes_nothing() -> None:
    fixed, moving = torch.rand(2, 1, 1, 32, 32, 32)
    written, canonical = build("gjsgjss"), build("------s")
    assert torch.equal(written(fixed, moving).displacement, canonical(fixed, moving).displacement)


@pytest.mark.parametrize("shape", [(24, 32, 24), (17, 33, 9), (8, 8, 8), (20, 31), (40, 8)])
def test_any_shape_from_eight_voxels(shape: tuple[int, ...]) -> None:
    network = build(dims=len(shape))
    registration = network(torch.rand(2, 1, *shape), torch.rand(2, 1, *shape))
    assert registration.displacement.shape == (2, len(shape), *shape)
    assert registration.displacement.isfinite().all()


def test_too_small_or_flat_images_are_refused() -> None:
    network = build()
    with pytest.raises(ValueError, match="at least 8 voxels"):
        network(torch.rand(1, 1, 7, 32, 32), torch.rand(1, 1, 7, 32, 32))
    with pytest.raises(ValueError, match="3 spatial axes"):
        network(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))


def test_odd_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        FusionNetwork(dims=3, plan="early", channels=(3, 8, 8, 16, 16))


def test_the_mean_at_test_time_and_noise_with_a_generator() -> None:
    network = build()
    fixed, moving = torch.rand(2, 1, 1, 32, 24, 24)
    mean = network(fixed, moving).displacement
    drawn = [network(fixed, moving, generator=torch.Generator().manual_seed(s)).displacement for s in (0, 0, 1)]
    assert torch.equal(mean, network(fixed, moving).displacement)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_batches_are_registered_pair_by_pair() -> None:
    network = build()
    torch.nn.init.normal_(network.head.mean.weight, std=0.1)
    fixed, moving = torch.rand(2, 3, 1, 32, 24, 24)
    together = network(fixed, moving).displacement
    apart = torch.cat([network(fixed[i : i + 1], moving[i : i + 1]).displacement for i in range(3)])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_activation_checkpointing_gives_the_same_gradients() -> None:
    assert_checkpointing_gives_the_same_gradients(partial(build, gate=GateSettings(hard=True)))


def test_half_precision_stays_near_full_and_geometry_stays_full() -> None:
    assert_half_precision_stays_near_full(build())


def test_gates_can_be_read_at_their_stages() -> None:
    gates = build("gjsgjjg")(*torch.rand(2, 1, 1, 32, 24, 24)).gates
    assert sorted(gates) == [1, 4, 7]
    assert gates[4].joint.shape == (1, 16, 2, 2, 2)


@pytest.mark.parametrize(
    ("measure", "plan", "width", "tolerance"),
    [
        *(("parameters", plan, *pair) for plan in ("early", "late") for pair in ((16, 0.02), (8, 0.03))),
        ("flops", "early", 8, 0.03),
        ("flops", "late", 16, 0.02),  # each count of FLOPs runs the network
    ],
)
def test_matched_capacity(measure: str, plan: str, width: int, tolerance: float) -> None:
    reference = Fusion(channels=published_channels(width))
    method = replace(reference, plan=plan)
    channels = match_channels(method, reference, measure=measure, shape=(32, 32, 32))  # type: ignore[arg-type]
    position = ["parameters", "flops"].index(measure)
    matched = count_cost(replace(method, channels=channels), (32, 32, 32))[position]
    assert all(count % 2 == 0 for count in channels)
    assert abs(matched / count_cost(reference, (32, 32, 32))[position] - 1) <= tolerance
