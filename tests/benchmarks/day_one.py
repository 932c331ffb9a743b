"""What a card does with this project, as one Markdown table: ``python -m tests.benchmarks.day_one [--device cuda]``.

Takes some minutes on a GPU. Each figure is from one run. On a CPU it runs as well, with a small ``--side``, so that it
is known to work before the first day with a card.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fusemorph.bounds import size
from fusemorph.complexity import count_flops
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses import folding, kl
from fusemorph.machine import describe_machine
from fusemorph.precision import autocast
from fusemorph.trials.memory import training_memory_bytes
from fusemorph.trials.step import TrainingStep
from fusemorph.warp import warp
from tests.benchmarks.dense_ncc import dense_ncc
from tests.benchmarks.test_training_step import OnePassAfterTheOther

BUDGET = Budget(steps=1000, width=16, learning_rate=1e-4)
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40": 181.0, "A6000": 155.0, "4090": 165.0, "V100": 125.0}
"""Dense bfloat16 (V100: float16) peaks that the makers state; ``--peak-tflops`` for others."""
BACKWARD = 3
"""Forward and backward pass of a convolution, in forward passes."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The device, how large images are on it, and its peak, where that is known."""

    device: torch.device
    shape: tuple[int, int, int]
    repeats: int
    peak_tflops: float | None

    def pair(self) -> tuple[Tensor, Tensor]:
        """Two images without a meaning."""
        images = torch.rand(2, 1, 1, *self.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        return images[0], images[1]

    def wait(self) -> None:
        """Until all that is queued is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def median_s(self, step: Callable[[], object]) -> float:
        """Seconds of a step, after warming up."""
        took = []
        for _ in range(2 + self.repeats):
            self.wait()
            began = time.perf_counter()
            step()
            self.wait()
            took.append(time.perf_counter() - began)
        return statistics.median(took[2:])


def training(card: Card, method: Fusion, budget: Budget) -> Callable[[], dict[str, Tensor]]:
    """Our training step on the card, from the same weights each time that it is made."""
    torch.manual_seed(0)
    network, images, counter = method.network(3).to(card.device), card.pair(), iter(range(10**9))
    step = TrainingStep(
        network, method.loss, budget, label_ids=(), spacing_mm=(1.0, 1.0, 1.0), device=card.device
    )  # fmt: skip
    return lambda: step(images, None, seed=0, step=min(next(counter), budget.steps - 1))


def reference(card: Card, width: int) -> Callable[[], None]:
    """The step as public code has it: dense NCC, one image after the other, float32."""
    torch.manual_seed(0)
    network = OnePassAfterTheOther(dims=3, plan="autofuse", channels=published_channels(width)).to(card.device)
    optimiser, (fixed, moving) = torch.optim.Adam(network.parameters(), lr=1e-4), card.pair()
    generator = torch.Generator(card.device).manual_seed(0)

    def step() -> None:
        registration = network(fixed, moving, generator=generator)
        assert registration.velocity is not None
        assert registration.log_variance is not None
        loss = dense_ncc(fixed, warp(moving, registration.displacement))
        loss = loss + 0.01 * kl(registration.velocity, registration.log_variance)
        optimiser.zero_grad(set_to_none=True)
        (loss + 1e-5 * folding(registration.displacement)).backward()
        optimiser.step()

    return step


def inference(card: Card, method: Fusion) -> Callable[[], object]:
    """Registering one pair, as a trained network does it."""
    network, images = method.network(3).to(card.device).eval(), card.pair()

    def register() -> object:
        with torch.no_grad(), autocast(BUDGET.precision, card.device):
            return network(*images).displacement

    return register


def peak_bytes(card: Card, step: Callable[[], object]) -> int | None:
    """The most memory that tensors took in a step; None where nobody counts it."""
    if card.device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(card.device)
    step()
    card.wait()
    return torch.cuda.max_memory_allocated(card.device)


def two_at_once(card: Card, method: Fusion, budget: Budget, alone_s: float) -> float:
    """Throughput of two trials that share the card, in that of one."""
    steps = [training(card, method, budget) for _ in range(2)]

    def run(step: Callable[[], object]) -> None:
        stream = torch.cuda.Stream(card.device) if card.device.type == "cuda" else None
        with torch.cuda.stream(stream):
            for _ in range(card.repeats):
                step()

    for step in steps:
        step()
    card.wait()
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, steps))
    card.wait()
    return 2 * card.repeats * alone_s / (time.perf_counter() - began)


def loss_after(card: Card, method: Fusion, budget: Budget, steps: int) -> float:
    """Mean similarity of the last ten of so many steps on one pair."""
    step = training(card, method, budget)
    return statistics.mean([step()["similarity"].item() for _ in range(steps)][-10:])


def rows(card: Card, width: int, steps: int) -> list[tuple[str, str]]:
    """Every figure, with what it is of."""
    where = "x".join(map(str, card.shape))
    method = Fusion(channels=published_channels(width))
    finest = replace(method, plan="ggg/qqqq")
    ours, theirs = (card.median_s(step) for step in (training(card, method, BUDGET), reference(card, width)))
    flops = BACKWARD * count_flops(method, card.shape) / ours
    lines = [
        ("device", str(describe_machine(card.device, threads=torch.get_num_threads()).get("device", card.device))),
        (f"AutoFuse c = {width}, {where}: training step", f"{ours:.3f} s"),
        ("the reference form over it (dense NCC, two single passes, float32)", f"{theirs / ours:.2f}"),
        ("FLOPs of convolutions", f"{flops / 1e12:.2f} TFLOP/s" + (
            f", {flops / 1e12 / card.peak_tflops:.1%} of the peak" if card.peak_tflops else "")),
        ("coarse to fine (ggg/qqqq): training step", f"{card.median_s(training(card, finest, BUDGET)):.3f} s"),
    ]  # fmt: skip
    for name, trained in (("AutoFuse", method), ("coarse to fine", finest)):
        foretold = training_memory_bytes(trained, BUDGET, card.shape)
        took = peak_bytes(card, training(card, trained, BUDGET))
        lines.append((f"{name}: memory foretold", size(foretold)))
        if took is not None:
            lines.append((f"{name}: memory taken, over foretold", f"{size(took)}, {took / foretold:.2f}"))
        registering = inference(card, trained)
        needed = peak_bytes(card, registering)
        text = f"{card.median_s(registering):.3f} s" + (f", {size(needed)}" if needed is not None else "")
        lines.append((f"{name}: registering a pair", text))
    lines.append(("two trials at once, throughput over one", f"{two_at_once(card, method, BUDGET, ours):.2f}"))
    losses = [loss_after(card, method, replace(BUDGET, precision=p), steps) for p in ("bfloat16", "float32")]
    lines.append((f"similarity after {steps} steps, bfloat16 and float32", f"{losses[0]:.4f} and {losses[1]:.4f}"))
    return [*lines, *compiled_row(card, method, ours)]


def compiled_row(card: Card, method: Fusion, plain_s: float) -> list[tuple[str, str]]:
    """What ``--compile`` gains, on a GPU."""
    if card.device.type != "cuda":
        return []
    compiled_s = card.median_s(training(card, method, replace(BUDGET, compiler="inductor")))
    return [("compiled (inductor): plain over compiled step", f"{plain_s / compiled_s:.2f}")]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.day_one", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, help="of a cube; default: 160x192x224")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="of the comparison of precisions")
    parser.add_argument("--peak-tflops", type=float)
    call = parser.parse_args()
    if call.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit(
            "day_one: no CUDA device, or a torch that is not built for it; --device cpu --side 32 --width 2 tries it"
        )
    device = torch.device(call.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peak = call.peak_tflops or next((peak for card, peak in PEAK_TFLOPS.items() if card in name), None)
    shape = (call.side,) * 3 if call.side else (160, 192, 224)
    card = Card(device=device, shape=shape, repeats=call.repeats, peak_tflops=peak)
    print("| what | measured |\n|---|---|")
    for quantity, measured in rows(card, call.width, call.steps):
        print(f"| {quantity} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
