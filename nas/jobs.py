"""What drivers work on: a queue of jobs, what a worker reports of one, and the status of the whole."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fusemorph.data import DataError
from fusemorph.storage import RecordError
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing, run_job

Facts = Mapping[str, Any]
"""What the claim of a running job says: host, process, step, ..."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far the work is.

    ``total`` and ``left`` count jobs; ``work`` is the amount of computing in those left, running ones included;
    ``given_up`` says by key which jobs cannot be done, and why; ``waiting`` are those that other processes hold, with
    what their claims say; ``note`` is what the queue has to say, such as the best result so far.
    """

    total: int
    left: int
    work: float
    running: tuple[tuple[Job, Facts], ...]
    given_up: Mapping[str, str]
    waiting: tuple[tuple[Job, Facts], ...] = ()
    note: str = ""


class JobQueue(Protocol):
    """Gives a driver its jobs one by one, and hears how each has ended.

    ``next`` returns the next job, or None while there is none to give: because none is left, which ``open`` tells, or
    because others must end first. ``left``, ``work`` and ``note`` are those of the status. ``problems`` says by key
    which jobs have records that cannot be read, and why; the queue never gives them.
    """

    @property
    def total(self) -> int: ...

    @property
    def left(self) -> int: ...

    @property
    def work(self) -> float: ...

    @property
    def note(self) -> str: ...

    @property
    def open(self) -> bool: ...

    @property
    def problems(self) -> Mapping[str, str]: ...

    def next(self) -> Job | None: ...

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        """A job that was given has ended: as its record says, or given up for the reason named."""


class JobList:
    """The queue of a list that is known beforehand: what is missing of it, in order."""

    def __init__(self, jobs: Iterable[Job], runs: Path) -> None:
        self._jobs = tuple(jobs)
        self._problems: dict[str, str] = {}
        self._waiting = deque(job for job in self._jobs if self._is_missing(job, runs))
        self._left = {job.trial.key: job for job in self._waiting}

    def _is_missing(self, job: Job, runs: Path) -> bool:
        try:
            return is_missing(job, runs)
        except RecordError as error:
            self._problems[job.trial.key] = str(error)
            return False

    @property
    def total(self) -> int:
        """Jobs of the list, done or not."""
        return len(self._jobs)

    @property
    def left(self) -> int:
        """Jobs that have not ended."""
        return len(self._left)

    @property
    def missing(self) -> tuple[Job, ...]:
        """The jobs that have not ended."""
        return tuple(self._left.values())

    @property
    def work(self) -> float:
        """Amount of computing in the jobs that have not ended."""
        return sum(job.work for job in self._left.values())

    @property
    def note(self) -> str:
        """Nothing beside the counts."""
        return ""

    @property
    def open(self) -> bool:
        """Whether a job of the list has not been given."""
        return bool(self._waiting)

    @property
    def problems(self) -> Mapping[str, str]:
        """Which jobs have records that cannot be read, and why."""
        return self._problems

    def next(self) -> Job | None:
        """The next missing job."""
        return self._waiting.popleft() if self._waiting else None

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        """Strike the job from the list."""
        self._left.pop(job.trial.key, None)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a worker says of a job: its ``status``, None where another process holds it; or why it cannot be done."""

    status: str | None = None
    problem: str = ""


def do_job(job: Job, runs: Path, *, interruption: Interruption) -> Report:
    """Run a job in a worker.

    Raises:
        StorageError: the storage refused a write.
        Exception: an evaluation failed.
    """
    try:
        return Report(status=run_job(job, runs, interruption=interruption))
    except (DataError, RecordError) as error:
        return Report(problem=f"{type(error).__name__}: {error}")
