"""What a method costs when it runs: latency, training step and memory, in a process with nothing beside it."""

import argparse
import statistics
import time
from collections.abc import Callable
from os import getloadavg

import torch
from torch import nn

from fusemorph.configuration import Budget, Json, Trial
from fusemorph.data.dataset import Pair
from fusemorph.data.settings import SELECT_ON
from fusemorph.external import peak_of_programs_mib
from fusemorph.losses.training_loss import total
from fusemorph.machine import describe_machine, peak_memory_mib
from fusemorph.method import Method, load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.paths import path_argument
from fusemorph.precision import autocast
from fusemorph.records import read_record
from fusemorph.storage import write_json
from fusemorph.trials.job import open_planned
from fusemorph.warp import warp

REPEATS = 10
LIMIT_S = 30.0
"""Time for the repeats of one measurement; slower steps are repeated less often."""


def measure_latency(method: Method, pair: Pair, *, device: torch.device, repeats: int = REPEATS) -> float:
    """Median seconds of registering the pair, with all that the method does for it, after warming up."""
    network = method.network(pair.fixed.image.ndim)
    if network is not None:
        network.to(device).eval()
    return _median_s(lambda: method.register(pair, network=network, device=device), device, repeats)


def measure_training_step(
    method: Method, budget: Budget, shape: tuple[int, ...], *, device: torch.device, repeats: int = REPEATS
) -> float:
    """Median seconds of a training step on one pair of that shape, after warming up."""
    network = method.network(len(shape))
    assert network is not None
    network.to(device)
    fixed, moving = torch.rand(2, 1, 1, *shape, device=device)
    return _median_s(_training_step(method, network, fixed, moving, budget), device, repeats)


def _training_step(
    method: Method, network: nn.Module, fixed: torch.Tensor, moving: torch.Tensor, budget: Budget
) -> Callable[[], object]:
    objective = method.objective
    assert objective is not None
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-6)
    generator = torch.Generator(device=fixed.device).manual_seed(0)

    def step() -> None:
        with autocast(budget.precision, fixed.device):
            registration = network(fixed, moving, generator=generator)
            terms = objective.terms(registration, fixed=fixed, warped=warp(moving, registration.displacement))
        optimiser.zero_grad(set_to_none=True)
        total(terms).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _median_s(step: Callable[[], object], device: torch.device, repeats: int) -> float:
    for _ in range(2):
        first_s = _seconds(step, device)
        if first_s > LIMIT_S / 4:
            break
    count = max(1, min(repeats, int(LIMIT_S / max(first_s, 1e-9))))
    return statistics.median(_seconds(step, device) for _ in range(count))


def _seconds(step: Callable[[], object], device: torch.device) -> float:
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
    return peak_memory_mib()


def measure(method: Method, budget: Budget | None, pair: Pair, *, device: torch.device) -> Json:
    """Latency and peak memory of registering the pair, then of training on its shape where the method is trained."""
    before = _peak_mib(device)
    latency_s = measure_latency(method, pair, device=device)
    registration_mib = _peak_mib(device) - before
    cost: Json = {"latency_s": latency_s, "peak_memory_mib": max(registration_mib, peak_of_programs_mib())}
    if budget is not None:
        shape = padded_shape(pair.fixed.image.shape)
        cost["train_step_s"] = measure_training_step(method, budget, shape, device=device)
        cost["train_peak_memory_mib"] = _peak_mib(device) - before
    return cost


def main() -> None:
    """Measure the method of a trial on its first val pair, or of train where val has none: ``python -m
    fusemorph.trials.timing RUNS/KEY``, into ``cost.json``, with the machine's load average over the minute before."""
    parser = argparse.ArgumentParser(prog="python -m fusemorph.trials.timing", description=main.__doc__)
    parser.add_argument("folder", type=path_argument)
    parser.add_argument("--data", type=path_argument)
    parser.add_argument("--cache", type=path_argument)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    configuration = read_record(options.folder)["configuration"]
    trial = Trial(**{name: configuration[name] for name in ("method", "dataset", "budget", "seed")})
    settings = {name: value for name, value in trial.dataset.items() if name != SELECT_ON}
    dataset = open_planned(settings, options.data, cache=options.cache)
    pair = dataset.pair(dataset.pairs("val" if "val" in dataset.splits else "train")[0])
    budget = Budget(**trial.budget) if trial.budget else None
    load = getloadavg()[0]
    cost = measure(load_method(trial.method), budget, pair, device=device) | {
        "shape": list(dataset.shape),
        "load_average": load,
    }
    write_json(options.folder / "cost.json", cost | describe_machine(device, threads=options.threads))


if __name__ == "__main__":
    main()
