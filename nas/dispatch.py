"""One rule for every executor: who has which job, what happens when a worker dies, and when a job is given up."""

import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError
from fusemorph.trials.claims import holder, release_orphan, take_claim
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing
from nas.jobs import Facts, JobQueue, Report, Status

ATTEMPTS = 3
"""Workers that may die at a job before it is given up: a node or its memory may be at fault once or twice."""
FIRST_WAIT_S = 3.0
LONGEST_WAIT_S = 30.0
MOST_WATCHED = 20
"""Jobs of other sweeps whose claims are read for each status: over a network that takes its time."""


class WorkersDied(RuntimeError):
    """No worker lives long enough to take a job."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a worker has died. ``killed``: outright, as for want of memory, and not by an error that was raised in it.

    ``blamed``: the job may be the cause; otherwise the death does not count against it, as when a node is preempted.
    """

    reason: str
    killed: bool
    blamed: bool = True


@dataclass(kw_only=True)
class Dispatcher:
    """Gives jobs to workers, which an executor names.

    A job whose worker dies is given again at once, and goes on from its checkpoint, whatever the claim of the dead
    worker says, which on another host can only be seen to stand still; after ``ATTEMPTS`` deaths it is
    given up. It is then recorded as failed, with the reason, if it was being trained when its last worker was killed;
    otherwise a note with the reason is left, and a later sweep tries again. A job that another sweep holds is asked
    after again later and later.
    """

    queue: JobQueue
    runs: Path
    _assigned: dict[str, Job] = field(default_factory=dict)
    _waiting: list[tuple[float, Job]] = field(default_factory=list)
    _waits: Counter[str] = field(default_factory=Counter)
    _deaths: Counter[str] = field(default_factory=Counter)
    _last: dict[str, Death] = field(default_factory=dict)
    _given_up: dict[str, str] = field(default_factory=dict)
    _idle_deaths: int = 0

    @property
    def over(self) -> bool:
        """Whether no job can come any more, and none is at work."""
        return not (self.queue.open or self._assigned or self._waiting)

    def status(self) -> Status:
        """How far the work is."""
        running = self._held(self._assigned.values())
        waiting = self._held(job for _, job in self._waiting[:MOST_WATCHED])
        return Status(
            total=self.queue.total, left=self.queue.left, work=self.queue.work, running=running,
            given_up={**self.queue.problems, **self._given_up}, waiting=waiting, note=self.queue.note,
        )  # fmt: skip

    def _held(self, jobs: Iterable[Job]) -> tuple[tuple[Job, Facts], ...]:
        """Those of the jobs that a process holds, with what its claim says."""
        return tuple((job, facts) for job in jobs if (facts := holder(self.runs / job.trial.key)) is not None)

    def assign(self, worker: str) -> Job | None:
        """The next job, which that worker has from now on; None while there is none to give."""
        while (job := self._due() or self.queue.next()) is not None:
            if job.trial.key not in self._last:
                self._assigned[worker] = signed = replace(job, owner=uuid.uuid4().hex)
                return signed
            self._give_up(job)
        return None

    def report(self, worker: str, report: Report) -> None:
        """A worker is through with its job.

        Raises:
            StorageError: the reason why it cannot be done could not be written.
        """
        job = self._assigned.pop(worker)
        self._idle_deaths = 0
        if report.problem:
            self._last[job.trial.key] = Death(reason=report.problem, killed=False)
            self._give_up(job)
        elif report.status is None:
            self._wait(job)
        else:
            self.queue.complete(job)

    def worker_died(self, worker: str, death: Death) -> None:
        """A worker has died, at its job if it had one.

        Raises:
            WorkersDied: one after the other dies before it takes a job.
            StorageError: the reason could not be written.
        """
        job = self._assigned.pop(worker, None)
        if job is None or not (self.runs / job.trial.key).exists():
            self._count_idle_death(death)
        else:
            self._idle_deaths = 0
            self._deaths[job.trial.key] += death.blamed
        if job is not None:
            job = replace(job, lost=(*job.lost, job.owner))
        if job is not None and self._deaths[job.trial.key] < ATTEMPTS:
            self._waiting.append((0.0, job))
        elif job is not None:
            count = f"{self._deaths[job.trial.key]} workers died while running it, the last one: {death.reason}"
            self._last[job.trial.key] = Death(reason=count, killed=death.killed)
            self._give_up(job)

    def _count_idle_death(self, death: Death) -> None:
        self._idle_deaths += death.blamed
        if self._idle_deaths >= ATTEMPTS:
            raise WorkersDied(f"workers die before they take a trial: {death.reason}")

    def _due(self) -> Job | None:
        due = next((entry for entry in self._waiting if entry[0] <= time.monotonic()), None)
        if due is None:
            return None
        self._waiting.remove(due)
        # Workers come and go, and ask now and then: this process sees for how long a claim stands still.
        release_orphan(self.runs / due[1].trial.key)
        return due[1]

    def _wait(self, job: Job) -> None:
        """Ask after a job later, each time later than before."""
        wait_s = min(FIRST_WAIT_S * 2 ** self._waits[job.trial.key], LONGEST_WAIT_S)
        self._waits[job.trial.key] += 1
        self._waiting.append((time.monotonic() + wait_s, job))

    def _give_up(self, job: Job) -> None:
        """Record why a job is given up, once the claim of its dead worker has lapsed, which on another host takes time.

        Another sweep may have taken it over until then, and done it.
        """
        folder, death = TrialFolder(self.runs, job.trial), self._last[job.trial.key]
        claim = take_claim(folder.path, lost=job.lost)
        if claim is None:
            self._wait(job)
            return
        with claim:
            if done := _is_done(job, self.runs):
                del self._last[job.trial.key]
            else:
                folder.give_up(death.reason, failed=death.killed)
        if not done:
            self._given_up[job.trial.key] = death.reason
        self.queue.complete(job, given_up=None if done else death.reason)


def _is_done(job: Job, runs: Path) -> bool:
    try:
        return not is_missing(job, runs)
    except RecordError:
        return False
