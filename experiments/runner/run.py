"""Running a sweep: what is checked before its first trial, its trials, their cost, and how it ends."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from experiments.runner.drivers import drive, worker_count
from experiments.runner.progress import watch
from experiments.runner.storage import require_space
from experiments.runner.sweep_plan import Sweep, study_entry
from experiments.study import register_study
from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError, read_json
from fusemorph.trials.job import Job
from nas.jobs import JobList, Status


def begin(sweep: Sweep) -> None:
    """What is done and checked before the first trial starts: failed trials, storage, the study's entry.

    Raises:
        RecordError, StorageError: the name belongs to another study, or there is no space.
    """
    runs, execution, jobs = sweep.options.runs, sweep.options.execution, sweep.jobs()
    queue = JobList(jobs, runs)
    if execution.retry_failed:
        for job in jobs:
            if job.trial.key not in queue.problems:
                TrialFolder(runs, job.trial).reopen_failed()
        queue = JobList(jobs, runs)
    most = sweep.largest
    # Weights of each trial; while it runs weights and optimiser, twice, since a checkpoint is replaced whole.
    numbers = queue.left * most + 6 * worker_count(execution) * most if queue.left else 0
    require_space(runs, mib=20 + 4 * numbers / 2**20)
    register_study(runs, study_entry(sweep))


def run(sweeps: Sequence[Sweep]) -> int:
    """Run what is missing, measure cost, draw the reports; returns the exit status."""
    options = sweeps[0].options
    for sweep in sweeps:
        for label, reason in sweep.skipped.items():
            print(f"skipped: {label}: {reason}")
        print(f"{sweep.title()}; in {options.runs}", flush=True)
    queue = JobList(in_order(sweeps), options.runs)
    status = watch(drive(queue, options.execution, options.runs))
    for sweep in sweeps:
        if sweep.study.measure_cost:
            measure_costs(sweep, status)
    return max(conclude(sweep, status) for sweep in sweeps)


def in_order(sweeps: Sequence[Sweep]) -> list[Job]:
    """The jobs of all, one data set after the other; of a space's plans in turn, so that what is cut off are plans."""
    each = [sweep.jobs() for sweep in sweeps]
    if not any(sweep.space for sweep in sweeps):
        return [job for jobs in each for job in jobs]
    return [job for jobs in zip_longest(*each) for job in jobs if job is not None]


def measure_costs(sweep: Sweep, status: Status) -> None:
    """Latency, step time and memory of each arm, one after the other, each in a fresh process."""
    data, execution = sweep.options.data, sweep.options.execution
    for arm, trial in sweep.trials:
        folder = TrialFolder(sweep.options.runs, trial)
        if trial.seed or trial.key in status.given_up or (folder.path / "cost.json").exists():
            continue
        if folder.status() == "finished":
            print(f"measuring the cost of {arm.label}", flush=True)
            call = [sys.executable, "-m", "fusemorph.trials.timing", str(folder.path)]
            call += ["--threads", str(execution.threads), "--device", execution.device]
            folders = {"--data": data.folders.get(sweep.dataset.name), "--cache": data.cache}
            call += [word for name, path in folders.items() if path for word in (name, str(path))]
            if subprocess.run(call, check=False).returncode:
                print(f"the cost of {arm.label} was not measured", file=sys.stderr)


def conclude(sweep: Sweep, status: Status) -> int:
    """Draw the report, print the table, say what failed and why; returns the exit status."""
    runs = sweep.options.runs
    if not sweep.space:
        _report(sweep, runs)
    failed = 0
    for job in sweep.jobs():
        folder = TrialFolder(runs, job.trial)
        reason = status.given_up.get(job.trial.key) or _failure(folder)
        if reason is not None:
            failed += 1
            print(f"failed: {job.label} ({job.trial.key}): {reason}")
        elif (summary := folder.path / "eval" / sweep.evaluation / "summary.json").exists():
            facts = read_json(summary)
            if lost := facts.get("failed_pairs"):
                print(f"failed: {lost} of {facts['pairs']} pairs of {job.label} ({job.trial.key}); the report says why")
    return 1 if failed else 0


def _report(sweep: Sweep, runs: Path) -> None:
    # Imported here: they take as long as torch.
    from reports.page import write_report
    from reports.tables.study import arms_text

    page = write_report([runs], runs / "reports" / sweep.name, study=sweep.name)
    print(arms_text([runs], study=sweep.name))
    print(f"report: {page}")


def _failure(folder: TrialFolder) -> str | None:
    """Why a trial has failed, if it has."""
    try:
        return str(read_json(folder.path / "record.json")["reason"]) if folder.status() == "failed" else None
    except RecordError as error:
        return str(error)
