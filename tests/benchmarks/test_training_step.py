"""A training step of AutoFuse against a plain one, and what activation checkpointing saves."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.losses import folding, kl, ncc
from fusemorph.networks.blocks import Convolution3d
from fusemorph.networks.registration import Registration
from fusemorph.precision import Precision, autocast
from fusemorph.warp import warp
from tests.benchmarks.dense_ncc import dense_ncc
from tests.benchmarks.test_convolutions import measured_s, median_s

SHAPE = (48, 64, 64)


class OnePassAfterTheOther(FusionNetwork):
    """The same network, its single-image path run for fixed, then for moving."""

    def _single_features(self, images: Tensor) -> dict[int, Tensor]:
        of_fixed, of_moving = (super(OnePassAfterTheOther, self)._single_features(image) for image in images.split(1))
        return {stage: torch.cat((of_fixed[stage], of_moving[stage])) for stage in of_fixed}


def loss_terms(registration: Registration) -> Tensor:
    assert registration.velocity is not None
    assert registration.log_variance is not None
    return 0.01 * kl(registration.velocity, registration.log_variance) + 1e-5 * folding(registration.displacement)


def make_step(kind: type[FusionNetwork], *, plain: bool, precision: Precision | None = None) -> Callable[[], float]:
    torch.manual_seed(0)
    network = kind(dims=3, plan="autofuse", channels=published_channels(16))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    fixed, moving = torch.rand(2, 1, 1, *SHAPE)
    generator = torch.Generator().manual_seed(0)

    def step() -> float:
        with autocast(precision or ("float32" if plain else "bfloat16"), torch.device("cpu")):
            registration = network(fixed, moving, generator=generator)
            warped = warp(moving, registration.displacement)
            loss = (dense_ncc if plain else ncc)(fixed, warped) + loss_terms(registration)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def test_training_step(benchmark: BenchmarkFixture) -> None:
    ours = make_step(FusionNetwork, plain=False)
    theirs = make_step(OnePassAfterTheOther, plain=True)
    assert ours() == pytest.approx(theirs(), abs=0.02)
    benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
    plain_s = []
    for _ in range(3):
        began = time.perf_counter()
        theirs()
        plain_s.append(time.perf_counter() - began)
    ratio = sorted(plain_s)[1] / measured_s(benchmark)
    benchmark.extra_info.update(plain_s=sorted(plain_s)[1], ratio=ratio)
    print(f"\nAutoFuse c = 16 training step, 48x64x64: {ratio:.1f} times faster than the plain one (goal: 3)")


class TorchPaths(OnePassAfterTheOther):
    """The plain network with torch's own choice of a path for every convolution."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        for module in self.modules():
            if isinstance(module, Convolution3d):
                module.__class__ = torch.nn.Conv3d  # type: ignore[assignment]


def test_float32_step(benchmark: BenchmarkFixture) -> None:
    """Without bfloat16, on one thread; the plain form does what public code does: dense NCC, two passes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours = make_step(FusionNetwork, plain=False, precision="float32")
        theirs = make_step(TorchPaths, plain=True)
        benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
        plain_s = median_s(theirs, rounds=3)
    finally:
        torch.set_num_threads(threads)
    ratio = plain_s / measured_s(benchmark)
    benchmark.extra_info.update(plain_s=plain_s, ratio=ratio)
    print(f"\nAutoFuse c = 16 float32 step, 48x64x64: {ratio:.2f} times faster than the plain one")


MEMORY = """
import json, sys, torch
from fusemorph.losses import kl, ncc
from fusemorph.machine import peak_memory_mib
from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.precision import Precision, autocast
from fusemorph.warp import warp

network = FusionNetwork(dims=3, plan="autofuse", channels=published_channels(8), checkpointing=sys.argv[1] == "True")
fixed, moving = torch.rand(2, 1, 1, 160, 192, 160)
before = peak_memory_mib()
with autocast("bfloat16", torch.device("cpu")):
    registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
    loss = ncc(fixed, warp(moving, registration.displacement)) + kl(registration.velocity, registration.log_variance)
loss.backward()
print(json.dumps(peak_memory_mib() - before))
"""


def peak_mib(*, checkpointing: bool) -> float:
    command = [sys.executable, "-c", MEMORY, str(checkpointing)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_peak_memory_of_a_large_step(benchmark: BenchmarkFixture) -> None:
    whole = peak_mib(checkpointing=False)
    saved = benchmark.pedantic(lambda: peak_mib(checkpointing=True), rounds=1)
    benchmark.extra_info.update(whole_mib=whole, checkpointed_mib=saved, ratio=whole / saved)
    print(f"\nAutoFuse c = 8 training step, 160x192x160: {whole:.0f} MiB, checkpointed {saved:.0f} MiB")
    assert saved < whole
