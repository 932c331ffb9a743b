"""Training steps side by side: both directions at once against one after the other, coarse to fine against direct."""

from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses import TrainingLoss, total
from fusemorph.networks.registration import Registration
from fusemorph.precision import Precision, autocast
from fusemorph.trials.batches import both_ways
from fusemorph.warp import warp
from tests.benchmarks.test_convolutions import measured_s, median_s

SHAPE = (48, 64, 48)
LOSS = TrainingLoss(kl_weight=3e-3)
Pass = Callable[[FusionNetwork, torch.Tensor, torch.Tensor, torch.Generator], Registration]


def one_way(network: FusionNetwork, fixed: torch.Tensor, moving: torch.Tensor, noise: torch.Generator) -> Registration:
    registration: Registration = network(fixed, moving, generator=noise)
    return registration


def both(network: FusionNetwork, fixed: torch.Tensor, moving: torch.Tensor, noise: torch.Generator) -> Registration:
    return network.both_directions(fixed, moving, generator=noise)


def make_step(method: Fusion, forward: Pass, *, precision: Precision = "bfloat16") -> Callable[[], None]:
    torch.manual_seed(0)
    network = method.network(3)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    first, second = torch.rand(2, 1, 1, *SHAPE)
    noise = torch.Generator().manual_seed(0)

    def step() -> None:
        with autocast(precision, torch.device("cpu")):
            registration = forward(network, first, second, noise)
            fixed, moving = both_ways(first, second) if registration.both_directions else (first, second)
            warped = warp(moving, registration.displacement)
            loss = total(LOSS.terms(registration, fixed=fixed, warped=warped))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


@pytest.mark.parametrize("plan", ["autofuse", "c2f-match", "c2f-autofuse"])
def test_a_symmetric_step_against_two_steps(benchmark: BenchmarkFixture, plan: str) -> None:
    method = Fusion(plan=plan, channels=published_channels(8))
    benchmark.pedantic(make_step(method, both), rounds=5, warmup_rounds=1)
    two_s = 2 * median_s(make_step(method, one_way), rounds=5)
    ratio = two_s / measured_s(benchmark)
    benchmark.extra_info.update(two_steps_s=two_s, ratio=ratio)
    print(f"\n{plan}, c = 8: a symmetric step takes 1/{ratio:.2f} of two steps")


@pytest.mark.parametrize("plan", ["c2f-joint", "c2f-correlation", "c2f-match", "c2f-autofuse"])
def test_coarse_to_fine_against_direct_at_equal_parameters(benchmark: BenchmarkFixture, plan: str) -> None:
    direct = Fusion(plan="autofuse", channels=published_channels(8))
    channels = match_channels(Fusion(plan=plan), direct, measure="parameters", shape=SHAPE)
    benchmark.pedantic(make_step(Fusion(plan=plan, channels=channels), both), rounds=5, warmup_rounds=1)
    direct_s = median_s(make_step(direct, both), rounds=5)
    ratio = measured_s(benchmark) / direct_s
    benchmark.extra_info.update(direct_s=direct_s, ratio=ratio)
    print(f"\n{plan}: a step takes {ratio:.2f} of the direct AutoFuse's at equal parameters")
