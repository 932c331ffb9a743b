"""What a sweep or a search would do, how long it takes and what it costs: the answer to --dry-run."""

import argparse

import torch

from experiments.runner.confirmation import plan_confirmation
from experiments.runner.drivers import worker_count
from experiments.runner.progress import clock, columns
from experiments.runner.search import SearchSetup
from experiments.runner.sweep_plan import Sweep
from fusemorph.complexity import count_cost, count_flops
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset
from fusemorph.networks.padding import padded_shape
from fusemorph.records import TrialFolder
from fusemorph.trials.run import is_missing
from fusemorph.trials.timing import measure_training_step


def describe_sweep(sweep: Sweep, options: argparse.Namespace) -> str:
    """Every trial with parameters, FLOPs, whether it is done, and an estimate of its time on this machine."""
    missing = {job.trial.key for job in sweep.jobs(options) if is_missing(job, options.runs)}
    shape = padded_shape(sweep.dataset.shape)
    pace = _seconds_per_flop(sweep, shape, options)
    rows = [["trial", "key", "plan", "parameters", "GFLOPs", "steps", "state", "about"]]
    left = 0.0
    for arm, trial in sweep.trials:
        parameters, flops = count_cost(arm.method, shape)
        steps = sweep.steps(arm, trial)
        seconds = flops * steps * pace
        left += seconds if trial.key in missing else 0.0
        state = "to do" if trial.key in missing else TrialFolder(options.runs, trial).status() or ""
        sizes = [str(getattr(arm.method, "plan", "-")), f"{parameters:,}", f"{flops / 1e9:.2f}", str(steps)]
        rows.append([sweep.label(trial), trial.key, *sizes, state, clock(seconds)])
    title = f"{sweep.title(options)}; evaluated on {sweep.split}"
    skipped = "".join(f"\nskipped: {label}: {reason}" for label, reason in sweep.skipped.items())
    workers = worker_count(options)
    return (
        f"{title}\n{columns(rows)}{skipped}\n"
        f"estimate of the training that is left: {clock(left / workers)} with {workers} workers; registering pairs, "
        "which is most of a classical method's time, comes on top"
    )


def _seconds_per_flop(sweep: Sweep, shape: tuple[int, ...], options: argparse.Namespace) -> float:
    """Seconds of a training step per forward FLOP, timed on the first trained arm."""
    torch.set_num_threads(options.threads)
    method = next((arm.method for arm in sweep.arms if arm.trained), None)
    if method is None:
        return 0.0
    seconds = measure_training_step(method, sweep.budget, shape, device=torch.device(options.device), repeats=3)
    return seconds / count_flops(method, shape)


def describe_search(setup: SearchSetup, options: argparse.Namespace) -> str:
    """The plan of a search: size of the space, trials, hours and their price."""
    size = setup.space.size()
    plans = len(setup.space.plans())
    each = len(setup.datasets) * setup.seeds
    searches = 1 if options.no_control or setup.searcher == "random" else 2
    seconds = sum(_trial_seconds(setup, dataset, options) for dataset in setup.datasets) * setup.seeds
    confirmed = _confirm_seconds(setup, options)
    hours = (seconds * setup.trials * searches + confirmed) / 3600
    price = f", {hours * options.price:.2f} at {options.price:g} an hour" if options.price else ""
    unit = "core" if options.device == "cpu" else "GPU"
    stops = "; early stopping saves part of it" if setup.halving else ""
    points = f"{size}" if size is not None else "uncountably many"
    return (
        f"{setup.name}: {plans} distinct plans, {points} configurations\n"
        f"{searches} x {setup.trials} configurations x {each} trials ({len(setup.datasets)} datasets, "
        f"{setup.seeds} seeds), {setup.budget.steps} steps each, about {clock(seconds / max(1, each))} a trial\n"
        f"confirmation: about {clock(confirmed)}\n"
        f"at most {hours:.2f} {unit}-hours in all{price}{stops}"
    )


def _trial_seconds(
    setup: SearchSetup, dataset: Dataset, options: argparse.Namespace, budget: Budget | None = None
) -> float:
    """Seconds of a trial here, timed on the largest of the arms of comparison."""
    torch.set_num_threads(options.threads)
    budget = budget or setup.budget
    shape = padded_shape(dataset.shape)
    method = max(
        (arm.method for arm in setup.study.comparison_arms(budget)), key=lambda method: count_cost(method, shape)[1]
    )
    step = measure_training_step(method, budget, shape, device=torch.device(options.device), repeats=3)
    return step * budget.steps


def _confirm_seconds(setup: SearchSetup, options: argparse.Namespace) -> float:
    plan = plan_confirmation(setup, options)
    arms = plan.count + len(setup.study.comparison_arms(plan.budget)) if plan.count else 0
    return sum(_trial_seconds(setup, dataset, options, plan.budget) for dataset in setup.datasets) * arms * plan.seeds
