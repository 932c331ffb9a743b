"""What a sweep or a search would do, how long it takes and what it costs: the answer to --dry-run, in seconds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from experiments.runner.confirmation import plan_confirmation
from experiments.runner.datasets import selection_split
from experiments.runner.drivers import worker_count
from experiments.runner.estimation import POOL, fusion_of, proxy_seconds
from experiments.runner.options import ExecutionOptions
from experiments.runner.progress import clock
from experiments.runner.search_setup import SearchSetup
from experiments.runner.sweep_plan import Sweep
from experiments.study import Arm
from fusemorph.bounds import size
from fusemorph.complexity import count_flops
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset
from fusemorph.method import Method
from fusemorph.networks.padding import padded_shape
from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError
from fusemorph.trials.memory import training_memory_bytes
from fusemorph.trials.timing import measure_training_step
from nas.jobs import JobList
from nas.objectives import needs_training
from reports.tables.terminal import aligned

TIMED_FLOPS = 1e9
"""The largest forward pass that is timed; a larger network is timed on a smaller image, and scaled by its FLOPs."""
SMALLEST_SIDE = 32
SAMPLED_PLANS = 12
PAIR_IN_STEPS = 0.25
"""A pair registered and measured takes about a quarter of a symmetric training step (0.19 to 0.29 for three plans on
hippocampus and ACDC at c = 4)."""
HEADROOM = 1.25
"""What libraries and the allocator need beside the tensors that are foretold."""


def describe_sweep(sweep: Sweep) -> str:
    """Every trial with parameters, FLOPs, whether it is done, and an estimate of its time on this machine; of a space's
    plans, which are hundreds, the sums."""
    if sweep.space:
        return describe_space(sweep)
    queue = JobList(sweep.jobs(), sweep.options.runs)
    missing = {job.trial.key for job in queue.missing}
    trained = next((arm.method for arm in sweep.arms if arm.trained), None)
    pace = seconds_per_flop(trained, sweep.budget, sweep.dataset, sweep.options.execution) if trained else 0.0
    memory = training_memory(sweep)
    rows = [["trial", "key", "plan", "parameters", "GFLOPs", "memory", "steps", "state", "about"]]
    left = 0.0
    for arm, trial in sweep.trials:
        parameters, flops = sweep.costs[arm.label]
        steps = sweep.steps(arm, trial)
        seconds = flops * steps * pace
        left += seconds if trial.key in missing else 0.0
        state = "to do" if trial.key in missing else _state(TrialFolder(sweep.options.runs, trial))
        sizes = [str(getattr(arm.method, "plan", "-")), f"{parameters:,}", f"{flops / 1e9:.2f}"]
        sizes += [size(memory[arm.label]) if memory.get(arm.label) else "-", str(steps)]
        rows.append([sweep.labels[trial.key], trial.key, *sizes, state, clock(seconds)])
    table = "\n".join(aligned(rows, right=True))
    skipped = "".join(f"\nskipped: {label}: {reason}" for label, reason in sweep.skipped.items())
    damaged = "".join(f"\nproblem: {key}: {reason}" for key, reason in queue.problems.items())
    workers = worker_count(sweep.options.execution)
    return (
        f"{sweep.title()}; evaluated on {', '.join([sweep.evaluation, *(other.folder for other in sweep.others)])}"
        f"{_selected_on(sweep)}\n{table}{skipped}{damaged}\n{_judge_memory(sweep, memory)}"
        f"estimated time of the training that is left: {clock(left / workers)} with {workers} workers; "
        "registering pairs, which is most of a classical method's time, is not included"
    )


def describe_space(sweep: Sweep) -> str:
    """How many plans, what is done, and the time of what is left, told from the first of them, which are a sample."""
    queue = JobList(sweep.jobs(), sweep.options.runs)
    missing, trained = {job.trial.key for job in queue.missing}, [pair for pair in sweep.trials if pair[0].trained]
    states = Counter(
        "to do" if trial.key in missing else _state(TrialFolder(sweep.options.runs, trial)) for _, trial in sweep.trials
    )
    sampled = [arm.method for arm in sweep.arms if arm.trained][:SAMPLED_PLANS]
    flops = [count_flops(method, padded_shape(sweep.dataset.shape)) for method in sampled]
    step_s = seconds_per_flop(sampled[0], sweep.budget, sweep.dataset, sweep.options.execution) * float(np.mean(flops))
    measured = len(sweep.dataset.pairs(sweep.split))
    validated = min(sweep.budget.validation_pairs, len(sweep.dataset.selection.pairs("val")))
    pairs = measured + validated * len(sweep.budget.validation_steps())
    each_s, left = step_s * (sweep.budget.steps + PAIR_IN_STEPS * pairs), sum(t.key in missing for _, t in trained)
    hours, price = each_s * left / 3600, sweep.options.search.price
    workers, execution = worker_count(sweep.options.execution), sweep.options.execution
    damaged = "".join(f"\nproblem: {key}: {reason}" for key, reason in queue.problems.items())
    return (
        f"{sweep.title()}\n"
        f"space {sweep.space}: {sum(arm.trained for arm in sweep.arms)} plans, {len(sweep.seeds)} seeds, "
        f"{sweep.budget.steps} steps each, validated after {', '.join(map(str, sweep.budget.validation_steps()))}\n"
        f"{', '.join(f'{count} {state}' for state, count in sorted(states.items()))}{damaged}\n"
        f"about {clock(each_s)} a trial with its {pairs} registered val pairs\n"
        f"left: about {hours:.1f} {'core' if execution.device == 'cpu' else 'GPU'}-hours"
        f"{f', {hours * price:.2f} at {price:g} an hour' if price else ''}; {clock(hours * 3600 / workers)} "
        f"with {workers} workers"
    )


def _selected_on(sweep: Sweep) -> str:
    """Which data set selects, where it is another one, and which arms are not evaluated on others."""
    split = selection_split(sweep.dataset)
    text = f"; selected on {split}" if split != "val" else ""
    for other in sweep.others:
        named = (other.dataset.name, other.split)
        evaluated = {
            arm.label: [(evaluation.dataset["name"], evaluation.split) for evaluation in sweep.others_of(arm)]
            for arm in sweep.arms
        }
        lacking = [label for label, evaluations in evaluated.items() if named not in evaluations]
        text += f"\nnot applicable on {other.folder}: {', '.join(lacking)}" if lacking else ""
    return text


def training_memory(sweep: Sweep) -> dict[str, int]:
    """Bytes that a training step takes by label of the arm, as foretold; trained arms alone."""
    arms = {arm.label: arm for arm, _ in sweep.trials if arm.trained}
    return {label: _foretold(sweep, arm, sweep.options.execution.checkpointing) for label, arm in arms.items()}


def _foretold(sweep: Sweep, arm: Arm, checkpointing: bool) -> int:
    budget = replace(sweep.budget, **arm.budget_changes)
    return training_memory_bytes(
        arm.method.trained_as, budget, sweep.dataset.shape, labels=len(sweep.dataset.labels),
        checkpointing=checkpointing,
    )  # fmt: skip


def _judge_memory(sweep: Sweep, memory: Mapping[str, int]) -> str:
    """Which arms do not fit the card, and what would make them; nothing is said where no card is known."""
    card, checkpointing = card_bytes(sweep.options.execution), sweep.options.execution.checkpointing
    messages = []
    for arm in {arm.label: arm for arm, _ in sweep.trials if arm.label in memory}.values():
        needed = round(memory[arm.label] * HEADROOM)
        if card is None or needed <= card:
            continue
        saved = round(_foretold(sweep, arm, True) * HEADROOM)
        fits = saved <= card and not checkpointing
        advice = f"--checkpointing makes it fit ({size(saved)})" if fits else "smaller images or channels would"
        messages.append(f"does not fit: {arm.label} needs about {size(needed)} of {size(card)}; {advice}\n")
    return "".join(messages)


def card_bytes(execution: ExecutionOptions) -> int | None:
    """Memory of the GPU that is judged by: as asked, or that of the device; None where neither is known."""
    if execution.card_memory is not None:
        return int(execution.card_memory * 2**30)
    device = torch.device(execution.device)
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None


def _state(folder: TrialFolder) -> str:
    try:
        return folder.status() or ""
    except RecordError:
        return "damaged"


def seconds_per_flop(method: Method, budget: Budget, dataset: Dataset, execution: ExecutionOptions) -> float:
    """Seconds of a training step per forward FLOP, timed on an image that is small enough."""
    torch.set_num_threads(execution.threads)
    shape = padded_shape(dataset.shape)
    while count_flops(method, shape) > TIMED_FLOPS and max(shape) > SMALLEST_SIDE:
        shape = padded_shape(tuple(max(side // 2, min(side, SMALLEST_SIDE)) for side in shape))
    seconds = measure_training_step(method, budget, shape, device=torch.device(execution.device), repeats=1)
    return seconds / count_flops(method, shape)


def describe_search(setup: SearchSetup) -> str:
    """The plan of a search: size of the space, trials, hours and their price."""
    size = setup.space.size()
    plans = len(setup.space.plans())
    searches = len(setup.controls)
    seconds = sum(_trial_seconds(setup, dataset, setup.budget) for dataset in setup.datasets) * setup.seeds
    confirmed = _confirm_seconds(setup)
    proxies, pool = _estimate_seconds(setup)
    seconds = seconds * needs_training(setup.objectives) + proxies
    hours = ((seconds * setup.trials * searches) + pool + confirmed) / 3600
    price, execution = setup.options.search.price, setup.options.execution
    cost = f", {hours * price:.2f} at {price:g} an hour" if price else ""
    unit = "core" if execution.device == "cpu" else "GPU"
    stops = "; early stopping saves part of it" if setup.early_stopping else ""
    points = f"{size}" if size is not None else "uncountably many"
    return (
        f"{setup.name}: {plans} distinct plans, {points} configurations\n"
        f"{searches} x {setup.trials} configurations {_trials(setup, seconds)}\n{_warm_start(setup, pool)}"
        f"confirmation: about {clock(confirmed)}\n"
        f"at most {hours:.2f} {unit}-hours in all{cost}{stops}"
    )


def _trials(setup: SearchSetup, seconds: float) -> str:
    """What is done for a configuration, and how long it takes."""
    sets, each = len(setup.datasets), len(setup.datasets) * setup.seeds
    if not needs_training(setup.objectives):
        return f"on {sets} datasets, untrained, about {seconds:.2g} s each"
    return (
        f"x {each} trials ({sets} datasets, {setup.seeds} seeds), {setup.budget.steps} steps each, "
        f"about {clock(seconds / each)} a trial"
    )


def _warm_start(setup: SearchSetup, pool: float) -> str:
    name = setup.options.search.warm_start
    return f"warm start: {POOL} configurations estimated by {name}, about {clock(pool)}\n" if name else ""


def _estimate_seconds(setup: SearchSetup) -> tuple[float, float]:
    """Seconds of the proxies of a configuration, and of those of a warm start, by the largest arm of comparison."""

    def seconds(name: str) -> float:
        device, total = torch.device(setup.options.execution.device), 0.0
        for dataset in setup.datasets:
            shape = padded_shape(dataset.shape)
            methods = [arm.method for arm in setup.study.comparison_arms(setup.budget)]
            largest = max(methods, key=lambda method: count_flops(method, shape))
            total += proxy_seconds(name, fusion_of(largest, name), shape, device=device)
        return total

    warm = setup.options.search.warm_start
    return sum(seconds(o.name) for o in setup.objectives if o.proxy), POOL * seconds(warm) if warm else 0.0


def _trial_seconds(setup: SearchSetup, dataset: Dataset, budget: Budget) -> float:
    """Seconds of a trial here, by the pace of the largest of the arms of comparison."""
    shape = padded_shape(dataset.shape)
    flops, method = max(
        ((count_flops(arm.method, shape), arm.method) for arm in setup.study.comparison_arms(budget)),
        key=lambda entry: entry[0],
    )
    return seconds_per_flop(method, budget, dataset, setup.options.execution) * flops * budget.steps


def _confirm_seconds(setup: SearchSetup) -> float:
    plan = plan_confirmation(setup)
    if not plan.count:
        return 0.0
    arms = plan.count + len(setup.study.comparison_arms(plan.budget))
    return sum(_trial_seconds(setup, dataset, plan.budget) for dataset in setup.datasets) * arms * plan.seeds
