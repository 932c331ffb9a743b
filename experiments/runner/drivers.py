"""Which executor runs a sweep's trials, and which searcher proposes them: two choices, or one driver for both."""

import os
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from experiments.runner.options import DRIVERS, SEARCHERS, ExecutionOptions, SearchOptions
from experiments.runner.tensorboard import log_scalars
from fusemorph.configuration import Budget
from nas.evolution import EvolutionSearcher
from nas.inline import run_inline
from nas.jobs import JobQueue, Status
from nas.objectives import Objective
from nas.searcher import GridSearcher, RandomSearcher, Searcher
from nas.space import Space, Values

LEARNING = ("tpe", "nsga2", "evolution")
"""Searchers that learn from what has ended, after some points that they draw at random."""
BY_OPTUNA = ("tpe", "nsga2", "brute")


def drive(queue: JobQueue, execution: ExecutionOptions, runs: Path) -> Generator[Status]:
    """Run the queue's jobs by the executor asked for.

    Raises:
        ValueError: what the executor needs is not there; nothing has started.
    """
    statuses = _execute(queue, execution, runs)
    return log_scalars(statuses, runs, execution.tensorboard) if execution.tensorboard else statuses


def _execute(queue: JobQueue, execution: ExecutionOptions, runs: Path) -> Generator[Status]:
    if not execution.on_ray:
        return run_inline(queue, runs, workers=worker_count(execution))
    from nas.ray import run_ray  # an extra, like all of Ray

    return run_ray(
        queue, runs, address=execution.address, cpus_per_trial=execution.cpus_per_trial,
        gpus_per_trial=execution.gpus_per_trial,
    )  # fmt: skip


def worker_count(execution: ExecutionOptions) -> int:
    """Trials at a time on this machine: as asked, or as many as its cores hold; one on a GPU."""
    if execution.workers:
        return execution.workers
    return 1 if execution.device != "cpu" else max(1, (os.cpu_count() or 1) // execution.threads)


def choose_searcher(search: SearchOptions, execution: ExecutionOptions, objectives: Sequence[Objective]) -> str:
    """The searcher asked for, or the driver's own for so many objectives; random where there is no driver either.

    Raises:
        ValueError: the driver does not offer it, or it takes fewer objectives.
    """
    offered = DRIVERS[execution.driver] if execution.driver else SEARCHERS
    default = "nsga2" if execution.driver and len(objectives) > 1 and "nsga2" in offered else offered[0]
    name = search.searcher or default
    if name not in offered:
        raise ValueError(f"--searcher: driver {execution.driver} offers {', '.join(offered)}, got {name!r}")
    if name == "evolution" and len(objectives) > 1:
        raise ValueError("--searcher evolution takes one --objective; nsga2 takes several")
    return name


def require_extras(search: SearchOptions, execution: ExecutionOptions) -> None:
    """Refuse what needs a package that is not installed.

    Raises:
        ValueError: Ray or Optuna is not there.
    """
    needed = {"ray": execution.on_ray, "optuna": search.searcher in BY_OPTUNA or execution.driver in ("optuna", "ray")}
    for package, wanted in needed.items():
        if wanted and find_spec(package) is None:
            raise ValueError(f"{package} is not installed: python -m pip install -e '.[search]'")


def require_devices(execution: ExecutionOptions) -> None:
    """Refuse more GPUs for a trial than this machine has, where its trials run here.

    Raises:
        ValueError: there are fewer, or several trials at a time would have to share them out.
    """
    device, wanted = torch.device(execution.device), execution.devices_per_trial
    if execution.on_ray or wanted == 1:
        return
    there = torch.cuda.device_count() - (device.index or 0) if device.type == "cuda" else 0
    if wanted > there:
        first = f" from {execution.device} on" if device.index else ""
        raise ValueError(f"--gpus-per-trial: {wanted} GPUs are asked for, there are {there}{first}")
    if (execution.workers or 1) > 1:
        raise ValueError("--gpus-per-trial: several trials at a time on several GPUs each need --executor ray")


def require_shares(execution: ExecutionOptions, budget: Budget, name: str) -> None:
    """Refuse batches that the devices of a trial cannot share equally.

    Raises:
        ValueError: a batch has no equal parts; the message says which would have.
    """
    devices = execution.devices_per_trial
    if budget.batch_size % devices:
        raise ValueError(
            f"--gpus-per-trial: {devices} GPUs cannot share batches of {budget.batch_size} (budget {name}) equally; "
            f"--batch-size {devices} makes batches that they can"
        )


def make_searcher(
    name: str, space: Space, objectives: Sequence[Objective], *, driver: str | None, seed: int, journal: Path | None,
    first: Sequence[Values] = (),
) -> Searcher:  # fmt: skip
    """The searcher of that name. Random draws are Optuna's, in a journal for its dashboard, where the driver says so.

    ``first``: points that a searcher that learns tries before those that it would draw at random.

    Raises:
        ValueError: the space is of a kind or size that the searcher does not support.
    """
    if name == "grid":
        return GridSearcher(space, seed)
    if name == "random" and driver not in ("optuna", "ray"):
        return RandomSearcher(space, seed)
    directions = tuple(objective.direction for objective in objectives)
    if name == "evolution":
        return EvolutionSearcher(space, directions=directions, seed=seed, first=first)
    from nas.optuna import OptunaSearcher  # an extra, like all of Optuna

    return OptunaSearcher(space, directions=directions, sampler=name, seed=seed, journal=journal, first=first)  # type: ignore[arg-type]
