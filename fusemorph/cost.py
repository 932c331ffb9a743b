"""What a method costs: parameters and FLOPs counted on the meta device; latency and memory measured in a process of
their own, with nothing beside it."""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fusemorph.configuration import Budget, Json
from fusemorph.data.dataset import Pair, Scan
from fusemorph.losses.objective import total
from fusemorph.machine import describe_machine
from fusemorph.method import Method, load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.networks.swin import WindowAttention
from fusemorph.records import read_record, write_json
from fusemorph.warp import warp

REPEATS = 10


def count_cost(method: Method, shape: tuple[int, ...]) -> tuple[int, int]:
    """Parameters, and forward FLOPs as ``count_flops`` counts them; 0 and 0 without a network."""
    return count_parameters(method, len(shape)), count_flops(method, shape)


def count_parameters(method: Method, dims: int) -> int:
    """Number of trained parameters, 0 without a network."""
    with torch.device("meta"):
        network = method.network(dims)
    return sum(parameter.numel() for parameter in network.parameters()) if network else 0


def count_flops(method: Method, shape: tuple[int, ...]) -> int:
    """Forward FLOPs of convolutions, linear layers and attention for one pair of that shape, 0 without a network.

    Interpolations are left out, however they are computed, as in torch's own counter.
    """
    with torch.device("meta"):
        network = method.network(len(shape))
        if network is None:
            return 0
        image = torch.empty(1, 1, *shape)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(image, image)
    counts = counter.get_flop_counts()
    convolutions = sum(n for operation, n in counts["Global"].items() if "convolution" in str(operation))
    products = (f"{type(network).__name__}.{path}" for path in _matrix_products(network))
    return int(convolutions + sum(sum(counts[path].values()) for path in products))


def _matrix_products(network: nn.Module) -> list[str]:
    """Paths of the attentions of a network, and of the linear layers outside them."""
    attentions = [path for path, part in network.named_modules() if isinstance(part, WindowAttention)]
    inside = tuple(f"{path}." for path in attentions)
    linear = [path for path, part in network.named_modules() if isinstance(part, nn.Linear)]
    return attentions + [path for path in linear if not path.startswith(inside)]


def measure_cost(
    method: Method, budget: Budget, shape: tuple[int, ...], *, device: torch.device, train: bool, repeats: int = REPEATS
) -> float:
    """Median seconds of registering (or of a training step on) one pair of this shape, after warming up."""
    network = method.network(len(shape))
    assert network is not None
    network.to(device)
    fixed, moving = torch.rand(2, 1, 1, *shape, device=device)
    step = (
        _training_step(method, network, fixed, moving, budget) if train else _inference(method, network, fixed, moving)
    )
    for _ in range(2):
        step()
    return statistics.median(_seconds(step, device) for _ in range(repeats))


def _inference(method: Method, network: nn.Module, fixed: torch.Tensor, moving: torch.Tensor) -> Callable[[], None]:
    """All that the method does for a pair, which may be more than its network does."""
    dims = fixed.dim() - 2
    scans = [
        Scan(
            id="", person="", image=image[0, 0].cpu().numpy(), labels=None, spacing_mm=(1.0,) * dims,
            affine=np.eye(dims + 1),
        )
        for image in (fixed, moving)
    ]  # fmt: skip
    pair = Pair(split="", fixed=scans[0], moving=scans[1], block="")

    def step() -> None:
        method.register(pair, network=network, device=fixed.device)

    return step


def _training_step(
    method: Method, network: nn.Module, fixed: torch.Tensor, moving: torch.Tensor, budget: Budget
) -> Callable[[], None]:
    objective = method.objective
    assert objective is not None
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-6)
    generator = torch.Generator(device=fixed.device).manual_seed(0)

    def step() -> None:
        with torch.autocast(fixed.device.type, torch.bfloat16, enabled=budget.precision == "bfloat16"):
            registration = network(fixed, moving, generator=generator)
            terms = objective.terms(registration, fixed=fixed, warped=warp(moving, registration.displacement))
        optimiser.zero_grad(set_to_none=True)
        total(terms).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    _synchronise(device)
    began = time.perf_counter()
    step()
    _synchronise(device)
    return time.perf_counter() - began


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """``python -m fusemorph.cost RUNS/KEY``: write its ``cost.json``. Inference first, so its peak is its own."""
    parser = argparse.ArgumentParser(prog="python -m fusemorph.cost", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    record = read_record(options.folder)
    configuration = record["configuration"]
    method, budget = load_method(configuration["method"]), Budget(**configuration["budget"])
    shape = padded_shape(tuple(record["shape"]))
    before = _peak_mib(device)
    latency_s = measure_cost(method, budget, shape, device=device, train=False)
    inference_mib = _peak_mib(device) - before
    train_step_s = measure_cost(method, budget, shape, device=device, train=True)
    cost: Json = {"latency_s": latency_s, "train_step_s": train_step_s, "peak_memory_mib": inference_mib}
    cost |= {"train_peak_memory_mib": _peak_mib(device) - before, "shape": list(shape)}
    write_json(options.folder / "cost.json", cost | describe_machine(device, threads=options.threads))


if __name__ == "__main__":
    main()
