"""Float32 convolutions that torch would take its slow path for: ours against torch's own choice, by size."""

import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture

from fusemorph.networks.blocks import channels_last, convolution

SIZES: list[tuple[int, int, int | tuple[int, ...], tuple[int, ...]]] = [
    (2, 16, 3, (48, 64, 48)), (16, 32, 3, (24, 32, 24)), (8, 8, 3, (24, 32, 24)), (16, 16, 3, (24, 32, 24)),
    (32, 32, 3, (12, 16, 12)), (96, 32, 3, (12, 16, 12)), (64, 64, 3, (6, 8, 6)), (64, 32, 1, (24, 32, 24)),
    (16, 8, (5, 1, 1), (24, 32, 24)),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "shape"), SIZES, ids=str)
def test_forward_and_backward(
    benchmark: BenchmarkFixture, inputs: int, outputs: int, kernel: int | tuple[int, ...], shape: tuple[int, ...]
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        layer = convolution(3, inputs, outputs, kernel=kernel)
        image = channels_last(torch.rand(1, inputs, *shape)).requires_grad_()

        def by_torch() -> None:
            F.conv3d(image, layer.weight, layer.bias, layer.stride, layer.padding).sum().backward()

        benchmark.pedantic(lambda: layer(image).sum().backward(), rounds=7, warmup_rounds=2)
        plain_s = median_s(by_torch)
    finally:
        torch.set_num_threads(threads)
    ratio = plain_s / measured_s(benchmark)
    benchmark.extra_info.update(torch_s=plain_s, ratio=ratio)
    size = "x".join(map(str, shape))
    print(f"\n{inputs} to {outputs}, kernel {kernel}, {size}: {ratio:.1f} times as fast as torch's path")


def measured_s(benchmark: BenchmarkFixture) -> float:
    """Median seconds of what the benchmark has measured."""
    assert benchmark.stats is not None
    return float(benchmark.stats.stats.median)


def median_s(call: Callable[[], object], *, rounds: int = 7) -> float:
    call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return sorted(times)[rounds // 2]
