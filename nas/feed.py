"""Where a driver gets its jobs: the contract, and the feed of a fixed list."""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from fusemorph.trial import Job, is_missing


class Feed(Protocol):
    """Gives a driver its jobs one by one, and hears how each has ended.

    ``total``: how many jobs are expected in all; ``open``: whether one may still come. ``take`` returns the next job,
    or None while there is none to give: because none is left, or because others must end first.
    """

    @property
    def total(self) -> int: ...

    @property
    def open(self) -> bool: ...

    def take(self) -> Job | None: ...

    def settle(self, job: Job, *, given_up: str | None = None) -> None:
        """A job that was taken has ended: as its record says, or given up without one, for the reason named."""


class FixedFeed:
    """The feed of a list that is known beforehand: what is missing of it, in order."""

    def __init__(self, jobs: Iterable[Job], runs: Path) -> None:
        self._jobs = tuple(jobs)
        self._missing = deque(job for job in self._jobs if is_missing(job, runs))

    @property
    def total(self) -> int:
        """Jobs of the list, done or not."""
        return len(self._jobs)

    @property
    def open(self) -> bool:
        """Whether a job of the list has not been taken."""
        return bool(self._missing)

    def take(self) -> Job | None:
        """The next missing job."""
        return self._missing.popleft() if self._missing else None

    def settle(self, job: Job, *, given_up: str | None = None) -> None:
        """Nothing depends on how a job ends."""
