"""Between a queue and an engine that calls from a thread of its own: who has which job, and what each has cost."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusemorph.trials.claims import holder
from fusemorph.trials.run import Job
from nas.inline import WorkersDied
from nas.jobs import JobQueue, Status

PATIENCE_S = 3.0
LONGEST_PATIENCE_S = 30.0
DEATHS_FORGIVEN = 2


class Stopped(BaseException):
    """Ends the engine's loop where it stands. No ``Exception``, for which engines have plans of their own."""


@dataclass(kw_only=True)
class Dispatcher:
    """Hands jobs out under names of the engine's, and again where a worker has died or another sweep holds the job.

    ``lock`` is held by the caller while it looks at a status, so that the queue does not change under its eyes.
    ``stopped`` is the caller's word that it wants no more; ``ended`` the engine's that it has come to its end, by
    ``error`` if there is one, which the caller raises.
    """

    queue: JobQueue
    runs: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    _taken: dict[str, Job] = field(default_factory=dict)
    _again: list[tuple[float, Job]] = field(default_factory=list)
    _waits: Counter[str] = field(default_factory=Counter)
    _deaths: Counter[str] = field(default_factory=Counter)
    _given_up: dict[str, str] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles whatever it is given, for a restore that is never made

    @contextmanager
    def serving(self) -> Iterator[None]:
        """For each call of the engine's: keeps an error for the caller instead of showing it to the engine.

        Raises:
            Stopped: the caller wants no more, or there was an error.
        """
        with self.lock:
            try:
                if self.stopped:
                    raise Stopped
                yield
            except Exception as error:
                self.error = error
                raise Stopped from error

    def status(self) -> Status:
        """How far the work is; for the caller, under the lock."""
        taken = tuple(self._taken.values())
        running = tuple((job, facts) for job in taken if (facts := holder(self.runs / job.trial.key)) is not None)
        return Status(
            total=self.queue.total, left=self.queue.left, work=self.queue.work, running=running,
            given_up=dict(self._given_up), note=self.queue.note,
        )  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether no job can come any more."""
        return not (self.queue.open or self._taken or self._again)

    def assign(self, name: str) -> Job | None:
        """The next job, known by that name from now on; None while there is none to give."""
        due = next((entry for entry in self._again if entry[0] <= time.monotonic()), None)
        if due is not None:
            self._again.remove(due)
        job = self.queue.next() if due is None else due[1]
        if job is not None:
            self._taken[name] = job
        return job

    def complete(self, name: str, status: str | None) -> None:
        """A worker is through with a job, or None: another sweep holds it, and it is asked after again later."""
        job = self._taken.pop(name)
        if status is not None:
            self.queue.complete(job)
            return
        key = job.trial.key
        patience = min(PATIENCE_S * 2 ** self._waits[key], LONGEST_PATIENCE_S)
        self._waits[key] += 1
        self._again.append((time.monotonic() + patience, job))

    def worker_died(self, name: str, reason: str, *, blamed: bool = True) -> None:
        """A worker has died, of its job if that is ``blamed``: one that takes too many with it is given up.

        Raises:
            WorkersDied: it is given up, and has never begun.
        """
        job = self._taken.pop(name)
        key = job.trial.key
        self._deaths[key] += blamed
        if self._deaths[key] <= DEATHS_FORGIVEN:
            self._again.append((0.0, job))
            return
        if not (self.runs / key).exists():
            raise WorkersDied(f"workers die before they take a job: {reason}")
        self._given_up[key] = f"{self._deaths[key]} workers failed at it, the last with {reason}"
        self.queue.complete(job, given_up=self._given_up[key])
