"""Local NCC by one matrix per axis against the usual dense convolution."""

import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from fusemorph.losses import ncc
from tests.benchmarks.dense_ncc import dense_ncc
from tests.benchmarks.test_convolutions import measured_s


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    fixed = torch.rand(1, 1, 96, 112, 96, generator=generator)
    return fixed, (0.5 * fixed + 0.5 * torch.rand(fixed.shape, generator=generator)).requires_grad_()


def loss_and_gradient(loss: Callable[[Tensor, Tensor], Tensor], pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    value = loss(*pair)
    (gradient,) = torch.autograd.grad(value, pair[1])
    return value.detach(), gradient


def test_ncc_forward_and_backward(benchmark: BenchmarkFixture, pair: tuple[Tensor, Tensor]) -> None:
    ours = benchmark.pedantic(loss_and_gradient, args=(ncc, pair), rounds=7, warmup_rounds=1)
    started = time.perf_counter()
    theirs = loss_and_gradient(dense_ncc, pair)
    dense_s = time.perf_counter() - started
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(ours[1], theirs[1], atol=float(1e-3 * theirs[1].abs().max()), rtol=0)

    ratio = dense_s / measured_s(benchmark)
    benchmark.extra_info.update(dense_s=dense_s, ratio=ratio)
    print(f"\nNCC, forward and backward, 96x112x96: {ratio:.0f} times faster than dense convolution (goal: 15)")
    assert ratio >= 15
