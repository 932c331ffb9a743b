"""Run a study: every arm, on a dataset, at a budget, with seeds; then measure its cost and draw the report.

The same line again does only what is missing. Exit status: 0 when every trial finished, 1 when some failed, 2 for a
wrong call.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from experiments.monitor import Work, clock, columns, watch
from experiments.study import Arm, Study, find_study, known_studies, make_trial, register_study
from fusemorph.configuration import BUDGETS, Budget, Json, Trial, find_budget, revise
from fusemorph.cost import count_cost, measure_cost
from fusemorph.data import known_datasets, open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.plan import NAMED_PLANS, parse_plan, vocabulary
from fusemorph.method import known_methods
from fusemorph.networks.padding import padded_shape
from fusemorph.records import StorageError, TrialFolder, read_json, require_space
from fusemorph.trial import Job, is_missing
from nas.inline import run_inline
from reports.page import write_report
from reports.tables import arms_text


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study made concrete: its arms on one opened dataset, and every trial they need, labelled."""

    name: str
    study_name: str
    study: Study
    dataset: Dataset
    budget: Budget
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    skipped: dict[str, str]
    split: str
    trials: dict[str, tuple[Arm, Trial]]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.sweep``; returns the exit status."""
    options = parse(argv)
    if options.list:
        print(listing())
        return 0
    try:
        plan = make_plan(options)
        if options.dry_run:
            print(dry_run(plan, options))
            return 0
        return run(plan, options)
    except (ValueError, StorageError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 1 if isinstance(error, StorageError) and options.runs.exists() else 2


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.sweep", description=__doc__)
    parser.add_argument("study", nargs="?", help=f"one of {', '.join(known_studies())}")
    parser.add_argument("--dataset", help="default: the study's own")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", help="where a dataset's files lie")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the dataset")
    parser.add_argument("--budget", help=f"one of {', '.join(BUDGETS)}; default: the study's own")
    parser.add_argument("--seeds", type=int, metavar="N", help="train with seeds 0 to N-1; default: the study's own")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: ./runs")
    parser.add_argument("--name", help="what the study is called in RUNS; default: STUDY-DATASET-BUDGET")
    parser.add_argument("--driver", default="inline", choices=["inline"], help="default: inline, no engine")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at a time; default: cores / threads")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads a trial; default: 1")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where preprocessed images are kept")
    parser.add_argument("--retry-failed", action="store_true", help="run failed trials again; their records are kept")
    parser.add_argument("--dry-run", action="store_true", help="show each trial with its size and time, and stop")
    parser.add_argument("--list", action="store_true", help="show studies, datasets, operators, plans and budgets")
    options = parser.parse_args(argv)
    if not options.study and not options.list:
        parser.error(f"name a study: {', '.join(known_studies())} (or --list)")
    for name in ("seeds", "workers", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    options.runs = options.runs.absolute()
    return options


def listing() -> str:
    """Everything that can be named on the command line."""
    studies = "\n".join(f"  {name}: {find_study(name).question}" for name in known_studies())
    plans = "\n".join(f"  {name}: {parse_plan(plan)}" for name, plan in NAMED_PLANS.items())
    operators = "\n".join(f"  {c.symbol}  {c.name}, reads {', '.join(sorted(c.reads))}" for c in vocabulary().values())
    budgets = "\n".join(
        f"  {b.name}: {b.steps} steps, c = {b.width}, rate {b.learning_rate:g}" for b in BUDGETS.values()
    )
    names = f"Datasets: {', '.join(known_datasets())}\nMethods: {', '.join(known_methods())}"
    return f"Studies\n{studies}\n\n{names}\n\nPlans\n{plans}\n\nOperators\n{operators}\n\nBudgets\n{budgets}"


def make_plan(options: argparse.Namespace) -> Plan:
    """Resolve every name, open and check the data, and list the trials: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting, file or record; the message says which.
    """
    study = find_study(options.study)
    budget = find_budget(options.budget or study.budget)
    dataset = open_named_dataset(options.dataset or study.dataset, options)
    dataset.prepare(progress=sys.stdout.isatty())
    described: Json = {"name": dataset.name, "fingerprint": dataset.fingerprint(), **dataset.settings}
    seeds = tuple(range(options.seeds or study.seeds))
    all_arms = study.arms(dataset.shape, budget)
    skipped = {arm.label: reason for arm in all_arms if (reason := arm.method.skip(dataset))}
    arms = tuple(arm for arm in all_arms if arm.label not in skipped)
    trials = [(arm, make_trial(arm, described, budget, seed)) for seed in seeds for arm in arms]
    return Plan(
        name=options.name or f"{options.study}-{dataset.name}-{budget.name}",
        study_name=options.study, study=study, dataset=dataset, budget=budget, seeds=seeds, arms=arms, skipped=skipped,
        split="val" if dataset.missing("test") else "test",
        trials={trial.key: (arm, trial) for arm, trial in trials},
    )  # fmt: skip


def open_named_dataset(name: str, options: argparse.Namespace) -> Dataset:
    """The dataset with the folder and settings given on the command line."""
    folders = dict(_split(entry, "--data NAME=DIR") for entry in options.data)
    unused = sorted(set(folders) - {name})
    if unused:
        raise ValueError(f"--data names {', '.join(unused)}, but the sweep runs on {name}")
    settings = {key: _value(text) for key, text in (_split(entry, "--set KEY=VALUE") for entry in options.set)}
    folder = Path(folders[name]).absolute() if name in folders else None
    return open_dataset(name, folder, cache=options.cache, **settings)


def _split(entry: str, usage: str) -> tuple[str, str]:
    name, sign, value = entry.partition("=")
    if not sign or not value:
        raise ValueError(f"{usage}: got {entry!r}")
    return name, value


def _value(text: str) -> object:
    """Numbers as numbers, comma-separated ones as tuples, anything else as text."""
    if "," in text:
        return tuple(_value(part) for part in text.split(","))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def make_jobs(plan: Plan, options: argparse.Namespace) -> list[Job]:
    """The trials with where and how they run here."""
    folders = dict(_split(entry, "--data NAME=DIR") for entry in options.data)
    data = Path(folders[plan.dataset.name]).absolute() if plan.dataset.name in folders else None
    common = {"data": data, "cache": options.cache, "threads": options.threads, "device": options.device}
    return [Job(trial=trial, splits=(plan.split,), **common) for _, trial in plan.trials.values()]


def dry_run(plan: Plan, options: argparse.Namespace) -> str:
    """Every trial with parameters, FLOPs, whether it is done, and an estimate of its time on this machine."""
    jobs = {job.trial.key: job for job in make_jobs(plan, options)}
    shape = padded_shape(plan.dataset.shape)
    pace = _seconds_per_flop(plan, shape, options)
    rows = [["trial", "key", "plan", "parameters", "GFLOPs", "steps", "state", "about"]]
    left = 0.0
    for key, (arm, trial) in plan.trials.items():
        parameters, flops = count_cost(arm.method, shape)
        steps = revise(plan.budget, **arm.budget_changes).steps if arm.trained else 0
        missing = is_missing(jobs[key], options.runs)
        seconds = flops * steps * pace
        left += seconds if missing else 0.0
        state = "to do" if missing else TrialFolder(options.runs, trial).status() or ""
        cells = [f"{arm.label} seed {trial.seed}", key, str(getattr(arm.method, "plan", "-")), f"{parameters:,}"]
        rows.append([*cells, f"{flops / 1e9:.2f}", str(steps), state, clock(seconds)])
    workers = _workers(options)
    note = f"{plan.name}: {len(plan.trials)} trials on {plan.dataset.title}, evaluated on {plan.split}"
    skipped = "".join(f"\nskipped: {label}: {reason}" for label, reason in plan.skipped.items())
    return f"{note}\n{columns(rows)}{skipped}\nestimate of what is left: {clock(left / workers)} with {workers} workers"


def _seconds_per_flop(plan: Plan, shape: tuple[int, ...], options: argparse.Namespace) -> float:
    """Seconds of a training step per forward FLOP, timed on the first trained arm."""
    torch.set_num_threads(options.threads)
    method = next((arm.method for arm in plan.arms if arm.trained), None)
    if method is None:
        return 0.0
    seconds = measure_cost(method, plan.budget, shape, device=torch.device(options.device), train=True, repeats=3)
    return seconds / count_cost(method, shape)[1]


def _workers(options: argparse.Namespace) -> int:
    if options.workers:
        return int(options.workers)
    return max(1, torch.cuda.device_count() if options.device != "cpu" else (os.cpu_count() or 1) // options.threads)


def run(plan: Plan, options: argparse.Namespace) -> int:
    """Run what is missing, measure cost, draw the report; returns the exit status."""
    require_space(options.runs, mib=50 + 100 * len(plan.trials) * (plan.budget.width / 16) ** 2)
    register_study(options.runs, study_entry(plan))
    if options.retry_failed:
        for _, trial in plan.trials.values():
            TrialFolder(options.runs, trial).reopen_failed()
    for label, reason in plan.skipped.items():
        print(f"skipped: {label}: {reason}")
    shape = padded_shape(plan.dataset.shape)
    work = {
        key: Work(label=f"{arm.label} seed {trial.seed}", amount=_work(arm, plan.budget, shape))
        for key, (arm, trial) in plan.trials.items()
    }
    print(f"{plan.name}: {len(plan.trials)} trials on {plan.dataset.title}, in {options.runs}", flush=True)
    jobs = make_jobs(plan, options)
    try:
        watch(run_inline(jobs, options.runs, workers=_workers(options)), work)
        if plan.study.measure_cost:
            measure_costs(plan, options)
    except KeyboardInterrupt:
        print("\ninterrupted; the same line goes on where this one stopped", file=sys.stderr)
        return 130
    return conclude(plan, jobs, options)


def _work(arm: Arm, budget: Budget, shape: tuple[int, ...]) -> float:
    """How much there is to do for a trial: forward FLOPs times steps, at least 1."""
    return max(1, count_cost(arm.method, shape)[1] * revise(budget, **arm.budget_changes).steps)


def measure_costs(plan: Plan, options: argparse.Namespace) -> None:
    """Latency, step time and memory of each trained arm, one after the other, each in a fresh process."""
    for arm, trial in plan.trials.values():
        folder = options.runs / trial.key
        finished = TrialFolder(options.runs, trial).status() == "finished"
        if arm.trained and trial.seed == plan.seeds[0] and finished and not (folder / "cost.json").exists():
            print(f"measuring the cost of {arm.label}", flush=True)
            call = [sys.executable, "-m", "fusemorph.cost", str(folder)]
            call += ["--threads", str(options.threads), "--device", options.device]
            subprocess.run(call, check=False)


def conclude(plan: Plan, jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Draw the report, print the table, say what failed; returns the exit status."""
    page = write_report([options.runs], options.runs / "reports" / plan.name, study=plan.name)
    print(arms_text([options.runs], study=plan.name))
    print(f"report: {page}")
    unfinished = 0
    for job in jobs:
        folder = TrialFolder(options.runs, job.trial)
        if folder.status() != "finished" or is_missing(job, options.runs):
            unfinished += 1
            reason = read_json(folder.path / "record.json").get("reason") or "its evaluation is missing"
            print(f"failed: {plan.trials[job.trial.key][0].label} seed {job.trial.seed} ({job.trial.key}): {reason}")
    return 1 if unfinished else 0


def study_entry(plan: Plan) -> Json:
    """What ``RUNS/studies/NAME.json`` says: question, protocol, arms and the keys of their trials."""
    dataset = plan.dataset
    missing = "; ".join(dataset.missing("test"))
    facts = {
        "title": dataset.title,
        "synthetic": dataset.synthetic,
        "source": dataset.source,
        "licence": dataset.licence,
    }
    facts |= {"labels": {str(value): name for value, name in dataset.labels.items()}}
    facts |= {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    arms = [
        {"label": arm.label, "group": arm.group, "method": arm.method.configuration(), "keys": _keys(plan, arm)}
        for arm in plan.arms
    ]
    return {
        "name": plan.name,
        "study": plan.study_name,
        "question": plan.study.question,
        "protocol": list(plan.study.protocol),
        "dataset": dataset.settings | {"name": dataset.name} | facts,
        "budget": asdict(plan.budget),
        "seeds": list(plan.seeds),
        "reference": plan.study.reference,
        "reported_split": plan.split,
        "selection_split": "val",
        "split_note": f"val is reported, the split of selection: {missing}" if plan.split == "val" else "",
        "skipped": plan.skipped,
        "arms": arms,
    }


def _keys(plan: Plan, arm: Arm) -> dict[str, str]:
    return {str(trial.seed): key for key, (own, trial) in plan.trials.items() if own is arm}


if __name__ == "__main__":
    sys.exit(main())
