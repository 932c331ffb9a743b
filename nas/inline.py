"""The driver without an engine: worker processes of this machine take the missing trials of a list in order.

Workers share nothing but the run folder; claims decide who does what. Several such sweeps, also of several machines,
may therefore work on one folder.
"""

import errno
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from fusemorph.ledger import holder, last_claim, take_claim
from fusemorph.records import StorageError, TrialFolder
from fusemorph.trial import Job, is_missing, run_job

POLL_S = 1.0
PATIENCE_S = 3.0
DEATHS_FORGIVEN = 1
STORAGE_EXIT = 28


class WorkersDied(RuntimeError):
    """No worker lives long enough to take a trial."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a sweep is: jobs left, what the living claims say of the running ones, and those given up, by key."""

    total: int
    left: frozenset[str]
    running: Mapping[str, Mapping[str, object]]
    given_up: Mapping[str, str]


def run_inline(jobs: Sequence[Job], runs: Path, *, workers: int) -> Iterator[Status]:
    """Run what is missing in ``workers`` processes; yields the status every second until nothing is left.

    A worker that dies is replaced and its trial goes on from its checkpoint; a trial that takes a second worker with
    it is given up, and recorded as failed if it killed them outright (out of memory). Closing the iterator stops the
    workers.

    Raises:
        StorageError: a worker could not write; everything written before is there.
        RecordError: a trial's folder cannot be read, or was made by another version.
        WorkersDied: workers die before they take a trial.
    """
    crew = _Crew(jobs=tuple(jobs), runs=runs)
    left = {job.trial.key: job for job in jobs}
    try:
        while True:
            left = {key: job for key, job in left.items() if key not in crew.given_up and is_missing(job, runs)}
            crew.bury(left)
            crew.hire(min(workers, len(left)))
            running = {key: facts for key in left if (facts := holder(runs / key)) is not None}
            yield Status(total=len(jobs), left=frozenset(left), running=running, given_up=dict(crew.given_up))
            if not left:
                return
            time.sleep(POLL_S)
    finally:
        crew.dismiss()


@dataclass(kw_only=True)
class _Crew:
    """The worker processes, and how often each trial has cost one its life."""

    jobs: tuple[Job, ...]
    runs: Path
    workers: list[BaseProcess] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    given_up: dict[str, str] = field(default_factory=dict)
    strays: int = 0

    def hire(self, count: int) -> None:
        """Start workers up to that number."""
        for _ in range(count - len(self.workers)):
            jobs = [job for job in self.jobs if job.trial.key not in self.given_up]
            worker = multiprocessing.get_context("spawn").Process(target=_work, args=(jobs, self.runs), daemon=True)
            worker.start()
            self.workers.append(worker)

    def bury(self, left: Mapping[str, Job]) -> None:
        """Drop the workers that have ended, and settle the trials of those that died."""
        for worker in [worker for worker in self.workers if not worker.is_alive()]:
            self.workers.remove(worker)
            if worker.exitcode == STORAGE_EXIT:
                raise StorageError(errno.EIO, f"a worker could not write; what it said stands above ({self.runs})")
            if worker.exitcode != 0:
                claims = {key: last_claim(self.runs / key, process=worker.pid) for key in left}
                held = {key: str(claim.get("error", "")) for key, claim in claims.items() if claim is not None}
                for key, error in held.items():
                    self._settle(left[key], worker.exitcode or 0, error)
                self._count_stray(found=bool(held))

    def _settle(self, job: Job, exit_code: int, error: str) -> None:
        """Count a death; after the second, give the trial up. One that kills its workers outright has failed."""
        key = job.trial.key
        self.deaths[key] += 1
        if self.deaths[key] <= DEATHS_FORGIVEN:
            return
        self.given_up[key] = error or f"it killed {self.deaths[key]} workers, exit code {exit_code} (out of memory?)"
        folder, claim = TrialFolder(self.runs, job.trial), take_claim(self.runs / key)
        if exit_code < 0 and claim is not None and folder.status() in (None, "running"):
            with claim:
                folder.fail(self.given_up[key], measured={})

    def _count_stray(self, *, found: bool) -> None:
        self.strays = 0 if found else self.strays + 1
        if self.strays > DEATHS_FORGIVEN:
            raise WorkersDied("workers die before they take a trial; what they said stands above")

    def dismiss(self) -> None:
        """Stop all workers; their trials go on from their checkpoints another time."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join()


def _work(jobs: list[Job], runs: Path) -> None:
    """One worker: trial by trial, until nothing is missing; waits for trials that others hold.

    Any error but a refused write ends the process as Python does, with its traceback and exit code 1.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    parent = os.getppid()
    try:
        while missing := [job for job in jobs if is_missing(job, runs)]:
            done = [run_job(job, runs) for job in missing if os.getppid() == parent]
            if os.getppid() != parent:
                return
            if not any(done):
                time.sleep(PATIENCE_S)
    except StorageError as error:
        print(error, file=sys.stderr)
        raise SystemExit(STORAGE_EXIT) from error
