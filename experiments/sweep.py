"""Run a study: every arm, on a dataset, at a budget, with seeds; then measure its cost and draw the report.

The same line again does only what is missing. Exit status: 0 when every trial finished, 1 when some failed, 2 for a
wrong call.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

from experiments.runner.command_line import parse
from experiments.runner.confirmation import confirming_sweeps, plan_confirmation
from experiments.runner.drivers import drive, worker_count
from experiments.runner.dry_run import describe_search, describe_sweep
from experiments.runner.listing import listing
from experiments.runner.progress import watch
from experiments.runner.search import (
    SearchSetup,
    make_search,
    prepare_search,
    require_feasible,
    require_storage,
    run_search,
)
from experiments.runner.storage import require_space
from experiments.runner.sweep_plan import Sweep, make_sweeps, study_entry
from experiments.study import SearchStudy, Study, find_study, register_study
from fusemorph.complexity import count_parameters
from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError, StorageError, read_json
from fusemorph.trials.run import is_missing
from nas.dispatch import WorkersDied
from nas.jobs import JobList, Status
from nas.search import Search
from reports.tables.terminal import show_all_characters


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``python -m experiments.sweep``; returns the exit status."""
    show_all_characters()
    options = parse(argv)
    try:
        if options.list:
            return _show(listing())
        study = find_study(options.study)
        act = plan_search(study, options) if isinstance(study, SearchStudy) else plan_sweeps(study, options)
    except (ValueError, StorageError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2
    try:
        return act()
    except KeyboardInterrupt:
        print("\ninterrupted; the same line goes on where this one stopped", file=sys.stderr)
        return 130
    except (RecordError, StorageError, WorkersDied) as error:
        print(f"sweep: {error}; the same line goes on where this one stopped", file=sys.stderr)
        return 1
    except ValueError as error:  # what a driver needs is not there; no trial has started
        print(f"sweep: {error}", file=sys.stderr)
        return 2


def plan_sweeps(study: Study, options: argparse.Namespace) -> Callable[[], int]:
    """Check all that a fixed study needs, and return what is to be done: show it, or run it."""
    sweeps = make_sweeps(study, options)
    if options.dry_run:
        return partial(_show, "\n\n".join(describe_sweep(sweep, options) for sweep in sweeps))
    for sweep in sweeps:
        begin(sweep, options)
    return partial(run, sweeps, options)


def plan_search(study: SearchStudy, options: argparse.Namespace) -> Callable[[], int]:
    """Check all that a search needs, and return what is to be done: show it, or run it."""
    setup = prepare_search(study, options)
    require_feasible(setup)
    plan_confirmation(setup, options)  # a wrong budget is to be found now, and not after the search
    if options.dry_run:
        return partial(_show, describe_search(setup, options))
    require_storage(setup, options)
    controls = (False,) if options.no_control or setup.searcher == "random" else (False, True)
    searches = [make_search(setup, options, control=control) for control in controls]
    return partial(run_searches, setup, searches, options)


def _show(text: str) -> int:
    print(text)
    return 0


def run_searches(setup: SearchSetup, searches: Sequence[Search], options: argparse.Namespace) -> int:
    """Run the search and its random control, then train the best again; returns the exit status."""
    failed = 0
    for search in searches:
        run_search(setup, search, options)
        failed += sum(outcome.state == "failed" for outcome in search.outcomes.values())
    sweeps = confirming_sweeps(setup, searches[0], options)
    status = run(sweeps, options) if sweeps else 0
    return max(status, 1 if failed else 0)


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
    numbers = len(missing) * max(parameters) + 6 * worker_count(options) * max(parameters) if missing else 0
    require_space(options.runs, mib=20 + 4 * numbers / 2**20)
    register_study(options.runs, study_entry(sweep))


def run(sweeps: Sequence[Sweep], options: argparse.Namespace) -> int:
    """Run what is missing, measure cost, draw the reports; returns the exit status."""
    for sweep in sweeps:
        for label, reason in sweep.skipped.items():
            print(f"skipped: {label}: {reason}")
        print(f"{sweep.title(options)}; in {options.runs}", flush=True)
    queue = JobList((job for sweep in sweeps for job in sweep.jobs(options)), options.runs)
    status = watch(drive(queue, options))
    for sweep in sweeps:
        if sweep.study.measure_cost:
            measure_costs(sweep, options)
    return max(conclude(sweep, status, options) for sweep in sweeps)


def measure_costs(sweep: Sweep, options: argparse.Namespace) -> None:
    """Latency, step time and memory of each arm, one after the other, each in a fresh process."""
    for arm, trial in sweep.trials:
        folder = TrialFolder(options.runs, trial)
        if trial.seed == 0 and folder.status() == "finished" and not (folder.path / "cost.json").exists():
            print(f"measuring the cost of {arm.label}", flush=True)
            call = [sys.executable, "-m", "fusemorph.trials.timing", str(folder.path)]
            call += ["--threads", str(options.threads), "--device", options.device]
            folders = {"--data": sweep.data, "--cache": options.cache}
            call += [word for name, path in folders.items() if path for word in (name, str(path))]
            if subprocess.run(call, check=False).returncode:
                print(f"the cost of {arm.label} was not measured", file=sys.stderr)


def conclude(sweep: Sweep, status: Status, options: argparse.Namespace) -> int:
    """Draw the report, print the table, say what failed and why; returns the exit status."""
    # Imported here: they take as long as torch, and each worker imports this file again.
    from reports.page import write_report
    from reports.tables.study import arms_text

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
        elif (summary := folder.path / "eval" / sweep.split / "summary.json").exists():
            facts = read_json(summary)
            if lost := facts.get("failed_pairs"):
                print(f"failed: {lost} of {facts['pairs']} pairs of {job.label} ({job.trial.key}); the report says why")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill, timeout and schedulers stop it as Ctrl-C does
    sys.exit(main())
