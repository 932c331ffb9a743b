"""Which driver runs a sweep's trials, and which searcher proposes them."""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.runner.tensorboard import log_scalars
from nas.inline import run_inline
from nas.jobs import JobQueue, Status
from nas.objectives import Objective
from nas.searcher import GridSearcher, RandomSearcher, Searcher
from nas.space import Space

DRIVERS = {
    "inline": ("random", "grid"),
    "optuna": ("tpe", "nsga2", "random", "brute"),
    "ray": ("tpe", "nsga2", "random"),
}
"""The drivers with the searchers that each offers, its own choice for one objective first."""
SEARCHERS = tuple(dict.fromkeys(searcher for offered in DRIVERS.values() for searcher in offered))


def drive(queue: JobQueue, options: argparse.Namespace) -> Iterator[Status]:
    """Run the queue's jobs by the driver asked for.

    Raises:
        ValueError: what the driver needs is not there; nothing has started.
    """
    statuses = _drive(queue, options)
    return log_scalars(statuses, options.runs, options.tensorboard) if options.tensorboard else statuses


def _drive(queue: JobQueue, options: argparse.Namespace) -> Iterator[Status]:
    if options.driver != "ray":
        return run_inline(queue, options.runs, workers=worker_count(options))
    from nas.ray import run_ray  # an extra, like all of Ray

    amounts = {"cpus_per_trial": options.cpus_per_trial, "gpus_per_trial": options.gpus_per_trial}
    return run_ray(queue, options.runs, address=options.address, **amounts)


def worker_count(options: argparse.Namespace) -> int:
    """Trials at a time on this machine: as asked, or as many as its cores hold; one on a GPU."""
    if options.workers:
        return int(options.workers)
    return 1 if options.device != "cpu" else max(1, (os.cpu_count() or 1) // options.threads)


def choose_searcher(options: argparse.Namespace, objectives: Sequence[Objective]) -> str:
    """The searcher asked for, or the driver's own for so many objectives.

    Raises:
        ValueError: the driver does not offer it, or it cannot serve several objectives.
    """
    offered = DRIVERS[options.driver]
    default = "nsga2" if len(objectives) > 1 and "nsga2" in offered else offered[0]
    name = str(options.searcher or default)
    if name not in offered:
        raise ValueError(f"--searcher: driver {options.driver} offers {', '.join(offered)}, got {name!r}")
    return name


def make_searcher(
    name: str, space: Space, objectives: Sequence[Objective], *, driver: str, seed: int, journal: Path
) -> Searcher:
    """The searcher of that name; the inline driver's need no engine.

    Raises:
        ValueError: the space is of a kind or size that the searcher cannot serve.
    """
    if driver == "inline":
        return GridSearcher(space, seed) if name == "grid" else RandomSearcher(space, seed)
    from nas.optuna import OptunaSearcher  # an extra, like all of Optuna

    directions = [objective.direction for objective in objectives]
    return OptunaSearcher(space, directions=directions, sampler=name, seed=seed, journal=journal)  # type: ignore[arg-type]
