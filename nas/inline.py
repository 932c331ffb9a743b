"""The driver without an engine: worker processes of this machine, each given one job after the other.

Workers and driver share nothing but the run folder; claims decide who does what. Several such sweeps, also of several
machines, may therefore work on one folder: a job that another sweep holds is asked after again later.
"""

import errno
import multiprocessing
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fusemorph.records import StorageError, TrialFolder
from fusemorph.trials.claims import holder, last_claim, take_claim
from fusemorph.trials.run import Job, run_job
from nas.jobs import JobQueue, Status

POLL_S = 1.0
PATIENCE_S = 3.0
DEATHS_FORGIVEN = 1
STORAGE_EXIT = 28


class WorkersDied(RuntimeError):
    """No worker lives long enough to take a job."""


def run_inline(queue: JobQueue, runs: Path, *, workers: int) -> Iterator[Status]:
    """Run the queue's jobs in ``workers`` processes; yields the status at least every second until all have ended.

    A worker that dies is replaced and its trial goes on from its checkpoint; a trial that takes a second worker with
    it is given up, and recorded as failed if it killed them outright (out of memory). Closing the iterator stops the
    workers; their trials go on from their checkpoints another time.

    Raises:
        StorageError: a worker could not write; everything written before is there.
        RecordError: a trial's folder cannot be read, or was made by another version.
        WorkersDied: workers die before they take a job.
    """
    pool = _WorkerPool(queue=queue, runs=runs)
    try:
        while queue.left or queue.open:
            pool.reap()
            pool.start(workers)
            pool.assign()
            yield pool.status()
            pool.listen()
        yield pool.status()
    finally:
        pool.stop()


@dataclass(eq=False, kw_only=True)
class _Worker:
    """A process, the pipe to it, whether it has said that it is there, and the job that it has."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    job: Job | None = None


@dataclass(kw_only=True)
class _WorkerPool:
    """The workers; the jobs to be given again, from when on; and how often each job has cost a worker its life."""

    queue: JobQueue
    runs: Path
    workers: list[_Worker] = field(default_factory=list)
    again: deque[tuple[float, Job]] = field(default_factory=deque)
    deaths: Counter[str] = field(default_factory=Counter)
    given_up: dict[str, str] = field(default_factory=dict)
    strays: int = 0

    def status(self) -> Status:
        taken = [worker.job for worker in self.workers if worker.job is not None]
        running = tuple((job, facts) for job in taken if (facts := holder(self.runs / job.trial.key)) is not None)
        return Status(
            total=self.queue.total, left=self.queue.left, work=self.queue.work, running=running,
            given_up=dict(self.given_up), note=self.queue.note,
        )  # fmt: skip

    def start(self, count: int) -> None:
        """Start workers up to that number, and no more than there are jobs."""
        for _ in range(min(count, self.queue.left if not self.queue.open else count) - len(self.workers)):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs, self.runs), daemon=True)
            process.start()
            theirs.close()
            self.workers.append(_Worker(process=process, pipe=ours))

    def assign(self) -> None:
        """Give a job to every worker that waits for one."""
        for worker in self.workers:
            if worker.ready and worker.job is None and (job := self._next()) is not None:
                worker.job = job
                try:
                    worker.pipe.send(job)
                except OSError:
                    return  # it has just died, and is buried in the next round

    def _next(self) -> Job | None:
        if (job := self.queue.next()) is not None:
            return job
        due = self.again and self.again[0][0] <= time.monotonic()
        return self.again.popleft()[1] if due else None

    def listen(self) -> None:
        """Wait until a worker reports, one dies, or a second is over; settle what has ended."""
        heard = wait([x for worker in self.workers for x in (worker.pipe, worker.process.sentinel)], timeout=POLL_S)
        for worker in self.workers:
            while worker.pipe in heard and worker.process.is_alive() and worker.pipe.poll():
                try:
                    self._hear(worker, worker.pipe.recv())
                except (EOFError, OSError):
                    break

    def _hear(self, worker: _Worker, ended: bool) -> None:
        """The first word of a worker is that it is there; every other, whether its job has ended."""
        worker.ready, job, worker.job = True, worker.job, None
        if job is not None and ended:
            self.queue.complete(job)
        elif job is not None:
            self.again.append((time.monotonic() + PATIENCE_S, job))

    def reap(self) -> None:
        """Drop the workers that have died, and settle what they had."""
        for worker in [worker for worker in self.workers if not worker.process.is_alive()]:
            self.workers.remove(worker)
            if worker.process.exitcode == STORAGE_EXIT:
                raise StorageError(errno.EIO, f"a worker could not write; what it said stands above ({self.runs})")
            self._count_stray(worker)
            if worker.job is not None:
                self._count_death(worker.job, worker.process)

    def _count_stray(self, worker: _Worker) -> None:
        self.strays = 0 if worker.ready else self.strays + 1
        if self.strays > DEATHS_FORGIVEN:
            raise WorkersDied("workers die before they take a trial; what they said stands above")

    def _count_death(self, job: Job, process: BaseProcess) -> None:
        """After the second death, give the job up. One that kills its workers outright has failed."""
        key, exit_code = job.trial.key, process.exitcode or 0
        self.deaths[key] += 1
        if self.deaths[key] <= DEATHS_FORGIVEN:
            self.again.append((0.0, job))
            return
        claim = last_claim(self.runs / key, process=process.pid) or {}
        killed = f"it killed {self.deaths[key]} workers, exit code {exit_code} (out of memory?)"
        self.given_up[key] = str(claim.get("error") or killed)
        if exit_code < 0:
            self._record_failure(job, self.given_up[key])
        self.queue.complete(job, given_up=self.given_up[key])

    def _record_failure(self, job: Job, reason: str) -> None:
        folder, claim = TrialFolder(self.runs, job.trial), take_claim(self.runs / job.trial.key)
        if claim is not None and folder.status() in (None, "running"):
            with claim:
                folder.fail(reason, measured={})

    def stop(self) -> None:
        """Stop all workers."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()


def _work(pipe: Connection, runs: Path) -> None:
    """One worker: job by job, until the driver is gone.

    Any error but a refused write ends the process as Python does, with its traceback and exit code 1. SIGTERM leaves
    nothing behind: what another package computes for the worker is stopped, and the claim on the trial is free.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver to handle
    signal.signal(signal.SIGTERM, _leave)
    try:
        pipe.send(False)
        while True:
            pipe.send(run_job(pipe.recv(), runs) is not None)
    except (EOFError, ConnectionError):
        return
    except StorageError as error:
        print(error, file=sys.stderr)
        raise SystemExit(STORAGE_EXIT) from error


def _leave(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: a second one would cut the tidying short
    raise SystemExit(128 + number)
