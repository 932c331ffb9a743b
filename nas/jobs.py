"""What a driver works on and what it tells: the queue of jobs, and the status of the work."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fusemorph.trials.run import Job, is_missing

Facts = Mapping[str, Any]
"""What the claim of a running job says: host, process, step, ..."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far the work is.

    ``total`` and ``left`` count jobs; ``work`` is the amount of computing in those left, running ones included;
    ``note`` is what the queue has to say, such as the best result so far.
    """

    total: int
    left: int
    work: float
    running: tuple[tuple[Job, Facts], ...]
    given_up: Mapping[str, str]
    note: str = ""


class JobQueue(Protocol):
    """Gives a driver its jobs one by one, and hears how each has ended.

    ``next`` returns the next job, or None while there is none to give: because none is left, which ``open`` tells, or
    because others must end first. ``left``, ``work`` and ``note`` are those of the status.
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

    def next(self) -> Job | None: ...

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        """A job that was taken has ended: as its record says, or given up without one, for the reason named."""


class JobList:
    """The queue of a list that is known beforehand: what is missing of it, in order.

    Raises:
        RecordError: the folder of a trial cannot be read, or was made by another version.
    """

    def __init__(self, jobs: Iterable[Job], runs: Path) -> None:
        self._jobs = tuple(jobs)
        self._waiting = deque(job for job in self._jobs if is_missing(job, runs))
        self._left = {job.trial.key: job for job in self._waiting}

    @property
    def total(self) -> int:
        """Jobs of the list, done or not."""
        return len(self._jobs)

    @property
    def left(self) -> int:
        """Jobs that have not ended."""
        return len(self._left)

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
        """Whether a job of the list has not been taken."""
        return bool(self._waiting)

    def next(self) -> Job | None:
        """The next missing job."""
        return self._waiting.popleft() if self._waiting else None

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        """Strike the job from the list."""
        self._left.pop(job.trial.key, None)
