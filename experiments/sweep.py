"""Run a study: every arm, on a dataset, at a budget, with seeds; then measure its cost and draw the report.

The same line again does only what is missing. Exit status: 0 when every trial finished, 1 when some failed, 2 for a
wrong call.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from experiments.monitor import Work, clock, columns, watch
from experiments.planning import Plan, make_jobs, make_plan, study_entry
from experiments.study import Arm, find_study, known_studies, register_study
from fusemorph.configuration import BUDGETS, Budget, revise
from fusemorph.cost import count_cost, count_flops, measure_cost
from fusemorph.data import known_datasets
from fusemorph.fusion.plan import NAMED_PLANS, parse_plan, vocabulary
from fusemorph.method import known_methods
from fusemorph.networks.padding import padded_shape
from fusemorph.records import StorageError, TrialFolder, read_json, require_space
from fusemorph.trial import Job, is_missing
from nas.inline import run_inline
from reports.page import write_report
from reports.tables import arms_text


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
    parser.add_argument("--workers", type=int, metavar="N", help="trials at a time; default: cores / threads, or 1")
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
    return seconds / count_flops(method, shape)


def _workers(options: argparse.Namespace) -> int:
    if options.workers:
        return int(options.workers)
    return 1 if options.device != "cpu" else max(1, (os.cpu_count() or 1) // options.threads)


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
    return max(1, count_flops(arm.method, shape) * revise(budget, **arm.budget_changes).steps)


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


if __name__ == "__main__":
    sys.exit(main())
