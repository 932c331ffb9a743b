"""A search as a queue of jobs: points proposed by a searcher, told by the records, none tried twice."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from fusemorph.records import TrialFolder
from fusemorph.storage import DamagedFile, RecordError
from fusemorph.trials.job import Job
from fusemorph.trials.run import stays_stopped
from nas.objectives import OBJECTIVES, Objective, Result, gains_by_step, measure
from nas.search_plan import Candidate, SearchPlan, identity
from nas.searcher import Outcome, Searcher, point_key
from nas.space import Values

PATIENCE = 100
"""So many proposals in a row that are known or refused, and the next point is drawn from those that are neither."""
LISTED_AT_MOST = 200_000
DRAWS = 1000
T = TypeVar("T")


@dataclass(kw_only=True)
class Search:
    """The queue of a search, rebuilt from the points that an earlier call saved.

    ``candidates`` by identity, in the order of their proposal; ``outcomes`` of those that have ended.
    ``refused``: why, by identity, what a constraint ruled out; ``duplicates``: how often a known point was proposed.
    ``problems``: why, by key, the records of a trial cannot be read; its candidate counts as failed. ``waits``: whether
    the next point has to wait until another process has proposed its own.
    """

    plan: SearchPlan
    searcher: Searcher
    candidates: dict[str, Candidate] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    duplicates: int = 0
    exhausted: bool = False
    waits: bool = False
    _queue: deque[Job] = field(default_factory=deque)
    _pending: dict[str, dict[str, Job]] = field(default_factory=dict)
    _owner: dict[str, Candidate] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)
    _points: set[str] = field(default_factory=set)

    def resume(self, points: Sequence[tuple[Values, int | None]]) -> None:
        """Take in the points that an earlier call saved, in their order; what is missing of them comes first.

        Each comes with the step at which the search has stopped it, if it has: what another study trained of it since
        was not known when the search went on without it.
        """
        for values, stopped_at in points:
            if point_key(values) in self._points:
                continue
            candidate = self.plan.make(values)
            self._admit(candidate, stopped_at=stopped_at)
            self.searcher.adopt(values, self.outcomes.get(candidate.identity))

    @property
    def total(self) -> int:
        """Trials of all candidates, those to come included."""
        return self.left + sum(len(candidate.jobs) for candidate in self.candidates.values()) - self._pending_count()

    @property
    def left(self) -> int:
        """Trials that have not ended, those of candidates to come included."""
        return self._pending_count() + self._to_come() * self._jobs_each()

    @property
    def work(self) -> float:
        """Amount of computing that is left; candidates to come count as the mean of those known."""
        pending = sum(job.work for jobs in self._pending.values() for job in jobs.values())
        amounts = [job.work for candidate in self.candidates.values() for job in candidate.jobs]
        return pending + self._to_come() * self._jobs_each() * (float(np.mean(amounts)) if amounts else 1.0)

    @property
    def note(self) -> str:
        """The best candidate so far, and how many ended otherwise than finished."""
        counts = Counter(outcome.state for outcome in self.outcomes.values())
        endings = [f"{counts[state]} {state}" for state in ("pruned", "failed", "refused") if counts[state]]
        best = self.ranked()[:1]
        gains = [f"best {best[0].label} {self.outcomes[best[0].identity].values[0]:+.4f}"] if best else []
        return ", ".join(gains + endings + (["another process proposes"] if self.waits else []))

    @property
    def open(self) -> bool:
        """Whether a job may still come."""
        return bool(self._queue) or self._to_come() > 0

    def next(self) -> Job | None:
        """The next trial, of a new candidate where those known have none left."""
        while not self._queue and self._to_come() > 0:
            turn = self.plan.turn()
            self.waits = turn is None
            if turn is None:
                return None
            with turn:
                self.resume(self.plan.saved_points())
                if not self._queue and self._to_come() > 0 and not self._save_next():
                    return None
        return self._queue.popleft() if self._queue else None

    def _save_next(self) -> bool:
        """Propose a candidate and save it before any of its trials starts; whether there was one left."""
        candidate = self._propose()
        if candidate is None:
            self.exhausted = True
            return False
        self.candidates[candidate.identity] = candidate
        self.plan.save_candidates(self)
        self._admit(candidate)
        if (outcome := self.outcomes.get(candidate.identity)) is not None:
            self.searcher.tell(candidate.values, outcome)  # an earlier study had done it all
        return True

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        """A trial has ended. A candidate ends with its last trial, or with the first that did not finish."""
        candidate = self._owner[job.trial.key]
        pending = self._pending.get(candidate.identity, {})
        pending.pop(job.trial.key, None)
        if given_up is not None:
            self._given_up.add(job.trial.key)
        if given_up is not None or self._status(job) != "finished":
            for other in [other for other in pending.values() if other in self._queue]:
                self._queue.remove(other)
                del pending[other.trial.key]
        if not pending and candidate.identity in self._pending:
            del self._pending[candidate.identity]
            states = [self._status(job) for job in candidate.jobs]
            self.outcomes[candidate.identity] = outcome = self._outcome(candidate, states)
            self.searcher.tell(candidate.values, outcome)

    def label(self, key: str) -> str:
        """What the candidate of a trial is called."""
        return self._owner[key].label

    def ranked(self) -> list[Candidate]:
        """The finished candidates that keep the constraints, the best in the first objective first."""
        finished = {identity: outcome.values[0] for identity, outcome in self.outcomes.items() if outcome.values}
        best_first = sorted(finished, key=finished.__getitem__, reverse=self.plan.objectives[0].direction == "maximize")
        return [self.candidates[identity] for identity in best_first]

    def _propose(self) -> Candidate | None:
        for _ in range(PATIENCE):
            values = self.searcher.ask()
            if values is None:
                return None
            if (candidate := self._judge(values)) is not None:
                return candidate
        for values in self._fresh():
            self.searcher.adopt(values, None)
            if (candidate := self._judge(values)) is not None:
                return candidate
        return None

    def _judge(self, values: Values) -> Candidate | None:
        """The candidate of a proposal, unless it is known or refused, which the searcher is told."""
        method, changes = self.plan.space.configure(values)
        proposed = identity(method, changes)
        if proposed in self.refused or proposed in self.candidates:
            self.duplicates += 1
            if proposed in self.refused or proposed in self.outcomes:
                self.searcher.tell(values, self.outcomes.get(proposed, Outcome(state="refused")))
            return None
        if (reason := self.plan.refuses(method)) is not None:
            self.refused[proposed] = reason
            self.searcher.tell(values, Outcome(state="refused"))
            return None
        return self.plan.make(values)

    def _fresh(self) -> Sequence[Values]:
        """Points in random order: all of a space that can be listed, else a thousand draws."""
        rng = np.random.default_rng((self.plan.seed, len(self.candidates), len(self.refused)))
        size = self.plan.space.size()
        if size is None or size > LISTED_AT_MOST:
            return [self.plan.space.sample(rng) for _ in range(DRAWS)]
        points = list(self.plan.space.points())
        return [points[i] for i in rng.permutation(len(points))]

    def _admit(self, candidate: Candidate, *, stopped_at: int | None = None) -> None:
        """Take a candidate up and queue what is missing of it."""
        self.candidates[candidate.identity] = candidate
        self._points.add(point_key(candidate.values))
        self._owner |= {job.trial.key: candidate for job in candidate.jobs}
        states = [self._status(job) for job in candidate.jobs]
        if stopped_at is not None:
            gains = self._gains_by_step(self._results(candidate, states))
            intermediate = {step: gain for step, gain in gains.items() if step <= stopped_at}
            self.outcomes[candidate.identity] = Outcome(state="pruned", intermediate=intermediate)
            return
        ended = [self._has_ended(job, state) for job, state in zip(candidate.jobs, states, strict=True)]
        missing = [job for job, done in zip(candidate.jobs, ended, strict=True) if not done]
        if not missing or any(done and state != "finished" for done, state in zip(ended, states, strict=True)):
            self.outcomes[candidate.identity] = self._outcome(candidate, states)
            return
        self._pending[candidate.identity] = {job.trial.key: job for job in missing}
        self._queue.extend(missing)

    def _outcome(self, candidate: Candidate, states: Sequence[str | None]) -> Outcome:
        """How a candidate has ended, from the states of its trials and their records."""
        if "failed" in states:
            return Outcome(state="failed")
        results = self._results(candidate, states)
        if any(job.trial.key in self.problems for job in candidate.jobs):
            return Outcome(state="failed")
        steps = self._gains_by_step(results)
        if "pruned" in states:
            return Outcome(state="pruned", intermediate=steps)
        values = tuple(self._measure(objective, candidate, results) for objective in self.plan.objectives)
        if not np.isfinite(values).all():
            return Outcome(state="failed")
        if any(
            measure(OBJECTIVES[name], results, self.plan.identity_dice) > most
            for name, most in self.plan.limits.items()
        ):
            return Outcome(state="refused")
        return Outcome(state="finished", values=values, intermediate=steps)

    def _measure(self, objective: Objective, candidate: Candidate, results: Sequence[Result]) -> float:
        if objective.proxy or not candidate.jobs:
            return self.plan.estimate(objective, candidate.method)
        return measure(objective, results, self.plan.identity_dice)

    def _results(self, candidate: Candidate, states: Sequence[str | None]) -> list[Result]:
        """What the records say of a candidate's trials; nothing where one of them has not begun."""
        if None in states:
            return []
        read = (self._attempt(job, lambda job: Result.read(job, self.plan.runs)) for job in candidate.jobs)
        return [result for result in read if result is not None]

    def _gains_by_step(self, results: Sequence[Result]) -> dict[int, float]:
        """The mean gain by step; none where there are several objectives."""
        return gains_by_step(results, self.plan.identity_dice) if results and len(self.plan.objectives) == 1 else {}

    def _status(self, job: Job) -> str | None:
        state = self._attempt(job, lambda job: _status_of(TrialFolder(self.plan.runs, job.trial)))
        return "failed" if job.trial.key in self._given_up or job.trial.key in self.problems else state

    def _has_ended(self, job: Job, state: str | None) -> bool:
        """Whether nothing is left to be done of a trial; one that another study has stopped is judged anew."""
        if state == "pruned":
            return self._attempt(job, lambda job: stays_stopped(job, self.plan.runs)) is not False
        return state in ("finished", "failed")

    def _attempt(self, job: Job, read: Callable[[Job], T]) -> T | None:
        """What a trial's records say; None where they cannot be read, which makes the trial a problem."""
        try:
            return read(job)
        except RecordError as error:
            self.problems[job.trial.key] = str(error)
            return None

    def _to_come(self) -> int:
        return 0 if self.exhausted else max(0, self.plan.trials - len(self.candidates))

    def _jobs_each(self) -> int:
        return next((len(candidate.jobs) for candidate in self.candidates.values()), 1)

    def _pending_count(self) -> int:
        return sum(len(jobs) for jobs in self._pending.values())


def _status_of(folder: TrialFolder) -> str | None:
    """The state of a trial; one whose record is damaged is made again, as one that has not begun."""
    try:
        return folder.status()
    except DamagedFile:
        return None
