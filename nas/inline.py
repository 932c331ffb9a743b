"""The inline executor: worker processes of this machine, each given one job after the other.

Workers and driver share nothing but the run folder; claims decide who does what. Several such sweeps, also of several
machines, may therefore work on one folder.
"""

import errno
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from fusemorph.storage import StorageError
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from nas.dispatch import Death, Dispatcher
from nas.jobs import JobQueue, Report, Status, do_job

POLL_S = 1.0
GRACE_S = 60.0
"""Time for a worker that is stopped to finish the training step that it computes, and to save it."""
FOR_THE_DRIVER = ("SIGINT", "SIGHUP", "SIGUSR1")
"""Signals that a terminal or a scheduler sends to workers and driver alike."""


def run_inline(queue: JobQueue, runs: Path, *, workers: int) -> Generator[Status]:
    """Run the queue's jobs in ``workers`` processes; yields the status at least every second until all have ended.

    Closing the iterator stops the workers; their trials go on from their checkpoints another time.

    Raises:
        StorageError: a worker could not write; everything written before is there.
        WorkersDied: workers die before they take a job.
    """
    pool = _WorkerPool(dispatcher=Dispatcher(queue=queue, runs=runs), runs=runs)
    try:
        while not pool.dispatcher.over:
            pool.start(workers)
            pool.assign()
            yield pool.dispatcher.status()
            pool.listen()
            pool.reap()
        yield pool.dispatcher.status()
    finally:
        pool.stop()


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """A worker's last word: the error that ends it, and its number where the storage refused a write."""

    reason: str
    refused: int | None = None


@dataclass(eq=False, kw_only=True)
class _Worker:
    """A process and the pipe to it; whether it waits for a job, and what it has said last of all."""

    name: str
    process: BaseProcess
    pipe: Connection
    idle: bool = False
    failure: _Failure | None = None


@dataclass(kw_only=True)
class _WorkerPool:
    """The worker processes: started, given what the dispatcher assigns, heard, and replaced when they die."""

    dispatcher: Dispatcher
    runs: Path
    workers: list[_Worker] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=count)

    def start(self, most: int) -> None:
        """Start workers up to that number, and no more than there are jobs left."""
        # The fork server listens on a socket, whose path Linux limits to 107 bytes; 33 of them are its own.
        short = len(tempfile.gettempdir().encode()) <= 107 - 33
        context = multiprocessing.get_context("forkserver") if short else multiprocessing.get_context("spawn")
        if short:
            context.set_forkserver_preload(["nas.fork_server"])
        for _ in range(min(most, self.dispatcher.queue.left) - len(self.workers)):
            ours, theirs = multiprocessing.Pipe()
            process = context.Process(target=_work, args=(theirs, self.runs, dict(os.environ)), daemon=True)
            with _without_main():
                process.start()
            theirs.close()
            self.workers.append(_Worker(name=f"worker {next(self._names)}", process=process, pipe=ours))

    def assign(self) -> None:
        """Give a job to every worker that waits for one."""
        for worker in [worker for worker in self.workers if worker.idle]:
            job = self.dispatcher.assign(worker.name)
            if job is None:
                return
            worker.idle = False
            try:
                worker.pipe.send(job)
            except OSError:
                return  # it has just died, and is reaped in this round

    def listen(self) -> None:
        """Wait until a worker reports, one dies, or a second is over."""
        heard = wait([x for worker in self.workers for x in (worker.pipe, worker.process.sentinel)], timeout=POLL_S)
        for worker in self.workers:
            if worker.pipe in heard:
                self._hear(worker)

    def _hear(self, worker: _Worker) -> None:
        """Take in all that a worker has said; its first report is that it is there."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, _Failure):
                    worker.failure = message
                    continue
                worker.idle = True
                if message is not None:
                    self.dispatcher.report(worker.name, message)
        except (EOFError, OSError) as error:
            if isinstance(error, StorageError):
                raise

    def reap(self) -> None:
        """Drop the workers that have died.

        Raises:
            StorageError: one could not write.
            WorkersDied: they die before they take a job.
        """
        for worker in [worker for worker in self.workers if not worker.process.is_alive()]:
            self._hear(worker)
            self.workers.remove(worker)
            if worker.failure is not None and worker.failure.refused is not None:
                raise StorageError(worker.failure.refused, worker.failure.reason)
            self.dispatcher.worker_died(worker.name, _death_of(worker))

    def stop(self) -> None:
        """Stop all workers, and wait for what they save."""
        for worker in self.workers:
            worker.process.terminate()
        until = time.monotonic() + GRACE_S
        for worker in self.workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.process.kill()
            worker.process.join()


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep a process that is started from importing the script that runs here: it needs nothing of that, and a line
    that is not behind ``if __name__ == "__main__"`` would start the sweep again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _death_of(worker: _Worker) -> Death:
    exit_code = worker.process.exitcode or 0
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return Death(reason=f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}", killed=True)
    reason = worker.failure.reason if worker.failure else f"exit code {exit_code}; its output is above"
    return Death(reason=reason, killed=False)


def _work(pipe: Connection, runs: Path, environment: dict[str, str]) -> None:
    """One worker: job by job, until the driver is gone, in the driver's environment and not that of the fork server.

    SIGTERM leaves nothing behind: what another package computes for the worker is stopped, the training step is saved,
    and the claim on the trial is released.
    """
    for name in FOR_THE_DRIVER:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    interruption = Interruption()
    signal.signal(signal.SIGTERM, interruption)
    try:
        pipe.send(None)
        while True:
            report: Report = _report(pipe.recv(), runs, pipe, interruption)
            interruption.leave()
            pipe.send(report)
    except (EOFError, ConnectionError):
        return


def _report(job: Job, runs: Path, pipe: Connection, interruption: Interruption) -> Report:
    """The report of a job. An error that the job does not account for ends the worker, with its traceback."""
    try:
        return do_job(job, runs, interruption=interruption)
    except StorageError as error:
        pipe.send(_Failure(reason=error.strerror or str(error), refused=error.errno or errno.EIO))
        raise SystemExit(1) from error
    except Exception as error:
        pipe.send(_Failure(reason=f"{type(error).__name__}: {error}"))
        raise
