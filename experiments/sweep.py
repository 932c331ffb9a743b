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

from experiments.monitor import clock, columns, watch
from experiments.planning import Sweep, make_sweeps, study_entry
from experiments.study import find_study, known_studies, register_study
from fusemorph.configuration import BUDGETS
from fusemorph.cost import count_cost, count_flops, count_parameters, measure_cost
from fusemorph.data import known_datasets
from fusemorph.fusion.plan import NAMED_PLANS, parse_plan, vocabulary
from fusemorph.method import known_methods
from fusemorph.networks.padding import padded_shape
from fusemorph.records import RecordError, StorageError, TrialFolder, read_json, require_space
from fusemorph.trial import is_missing
from nas.feed import FixedFeed, Status
from nas.inline import WorkersDied, run_inline
from reports.page import write_report
from reports.tables import arms_text


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.sweep``; returns the exit status."""
    options = parse(argv)
    if options.list:
        print(listing())
        return 0
    try:
        sweeps = make_sweeps(options)
        if options.dry_run:
            print("\n\n".join(dry_run(sweep, options) for sweep in sweeps))
            return 0
        for sweep in sweeps:
            begin(sweep, options)
    except (ValueError, StorageError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    try:
        return run(sweeps, options)
    except KeyboardInterrupt:
        print("\ninterrupted; the same line goes on where this one stopped", file=sys.stderr)
        return 130
    except (RecordError, StorageError, WorkersDied) as error:
        print(f"sweep: {error}; the same line goes on where this one stopped", file=sys.stderr)
        return 1


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.sweep", description=__doc__)
    parser.add_argument("study", nargs="?", help=f"one of {', '.join(known_studies())}")
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="default: the study's own")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", help="where a dataset's files lie")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the dataset")
    parser.add_argument("--budget", help=f"one of {', '.join(BUDGETS)}; default: the study's own")
    parser.add_argument("--seeds", type=int, metavar="N", help="train with seeds 0 to N-1; default: the study's own")
    parser.add_argument("--arm", action="append", default=[], metavar="LABEL", help="run these arms alone")
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
    try:
        torch.empty(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device {options.device}: {str(error).splitlines()[0]}")
    options.runs = options.runs.absolute()
    return options


def listing() -> str:
    """Everything that can be named on the command line."""
    studies = "\n".join(f"  {name}: {find_study(name).question}" for name in known_studies())
    plans = "\n".join(f"  {name}: {parse_plan(plan)}" for name, plan in NAMED_PLANS.items())
    operators = "\n".join(f"  {c.symbol}  {c.name}, reads {', '.join(sorted(c.reads))}" for c in vocabulary().values())
    budgets = "\n".join(
        f"  {name}: {b.steps} steps, c = {b.width}, rate {b.learning_rate:g}" for name, b in BUDGETS.items()
    )
    names = f"Datasets: {', '.join(known_datasets())}\nMethods: {', '.join(known_methods())}"
    return f"Studies\n{studies}\n\n{names}\n\nPlans\n{plans}\n\nOperators\n{operators}\n\nBudgets\n{budgets}"


def dry_run(sweep: Sweep, options: argparse.Namespace) -> str:
    """Every trial with parameters, FLOPs, whether it is done, and an estimate of its time on this machine."""
    missing = {job.trial.key for job in sweep.jobs(options) if is_missing(job, options.runs)}
    shape = padded_shape(sweep.dataset.shape)
    pace = _seconds_per_flop(sweep, shape, options)
    rows = [["trial", "key", "plan", "parameters", "GFLOPs", "steps", "state", "about"]]
    left = 0.0
    for arm, trial in sweep.trials:
        parameters, flops = count_cost(arm.method, shape)
        steps = int(trial.budget["steps"]) if trial.budget else 0
        seconds = flops * steps * pace
        left += seconds if trial.key in missing else 0.0
        state = "to do" if trial.key in missing else TrialFolder(options.runs, trial).status() or ""
        sizes = [str(getattr(arm.method, "plan", "-")), f"{parameters:,}", f"{flops / 1e9:.2f}", str(steps)]
        rows.append([sweep.label(trial), trial.key, *sizes, state, clock(seconds)])
    title = f"{sweep.name}: {len(rows) - 1} trials on {sweep.dataset.title}, evaluated on {sweep.split}"
    skipped = "".join(f"\nskipped: {label}: {reason}" for label, reason in sweep.skipped.items())
    workers = _workers(options)
    return (
        f"{title}\n{columns(rows)}{skipped}\nestimate of what is left: {clock(left / workers)} with {workers} workers"
    )


def _seconds_per_flop(sweep: Sweep, shape: tuple[int, ...], options: argparse.Namespace) -> float:
    """Seconds of a training step per forward FLOP, timed on the first trained arm."""
    torch.set_num_threads(options.threads)
    method = next((arm.method for arm in sweep.arms if arm.trained), None)
    if method is None:
        return 0.0
    seconds = measure_cost(method, sweep.budget, shape, device=torch.device(options.device), train=True, repeats=3)
    return seconds / count_flops(method, shape)


def _workers(options: argparse.Namespace) -> int:
    if options.workers:
        return int(options.workers)
    return 1 if options.device != "cpu" else max(1, (os.cpu_count() or 1) // options.threads)


def begin(sweep: Sweep, options: argparse.Namespace) -> None:
    """What is done and checked before the first trial starts: storage, records that are there, the study's entry.

    Raises:
        RecordError, StorageError: a record cannot be read or continued, or there is no space.
    """
    jobs = sweep.jobs(options)
    if options.retry_failed and options.runs.exists():
        for job in jobs:
            TrialFolder(options.runs, job.trial).reopen_failed()
    missing = [job for job in jobs if is_missing(job, options.runs)]
    parameters = [count_parameters(arm.method, len(sweep.dataset.shape)) for arm in sweep.arms]
    # Weights of each trial; while it runs weights and optimiser, twice, since a checkpoint is replaced whole.
    numbers = len(missing) * max(parameters) + 6 * _workers(options) * max(parameters) if missing else 0
    require_space(options.runs, mib=20 + 4 * numbers / 2**20)
    register_study(options.runs, study_entry(sweep))


def run(sweeps: Sequence[Sweep], options: argparse.Namespace) -> int:
    """Run what is missing, measure cost, draw the reports; returns the exit status."""
    for sweep in sweeps:
        for label, reason in sweep.skipped.items():
            print(f"skipped: {label}: {reason}")
        print(f"{sweep.name}: {len(sweep.trials)} trials on {sweep.dataset.title}, in {options.runs}", flush=True)
    feed = FixedFeed((job for sweep in sweeps for job in sweep.jobs(options)), options.runs)
    status = watch(run_inline(feed, options.runs, workers=_workers(options)))
    for sweep in sweeps:
        if sweep.study.measure_cost:
            measure_costs(sweep, options)
    return max(conclude(sweep, status, options) for sweep in sweeps)


def measure_costs(sweep: Sweep, options: argparse.Namespace) -> None:
    """Latency, step time and memory of each trained arm, one after the other, each in a fresh process."""
    for arm, trial in sweep.trials:
        folder = TrialFolder(options.runs, trial)
        if (
            arm.trained
            and trial.seed == 0
            and folder.status() == "finished"
            and not (folder.path / "cost.json").exists()
        ):
            print(f"measuring the cost of {arm.label}", flush=True)
            call = [sys.executable, "-m", "fusemorph.cost", str(folder.path)]
            call += ["--threads", str(options.threads), "--device", options.device]
            if subprocess.run(call, check=False).returncode:
                print(f"the cost of {arm.label} was not measured", file=sys.stderr)


def conclude(sweep: Sweep, status: Status, options: argparse.Namespace) -> int:
    """Draw the report, print the table, say what failed and why; returns the exit status."""
    page = write_report([options.runs], options.runs / "reports" / sweep.name, study=sweep.name)
    print(arms_text([options.runs], study=sweep.name))
    print(f"report: {page}")
    failed = 0
    for job in sweep.jobs(options):
        folder, reason = TrialFolder(options.runs, job.trial), status.given_up.get(job.trial.key)
        if folder.status() == "failed":
            reason = str(read_json(folder.path / "record.json")["reason"])
        if reason is not None:
            failed += 1
            print(f"failed: {job.label} ({job.trial.key}): {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
