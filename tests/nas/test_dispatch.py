"""Who has which job: given again after a death or a refusal, given up after too many, with a record and its reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fusemorph.configuration import Trial
from fusemorph.records import GIVEN_UP, TrialFolder
from fusemorph.storage import read_json
from fusemorph.trials import claims
from fusemorph.trials.claims import take_claim
from fusemorph.trials.job import Job
from nas.dispatch import ATTEMPTS, Death, Dispatcher, WorkersDied
from nas.jobs import Report

KILLED = Death(reason="killed by SIGKILL", killed=True)
ERROR = Death(reason="ValueError: weights do not fit", killed=False)
PREEMPTED = Death(reason="the node was preempted", killed=True, blamed=False)


def make_job(seed: int) -> Job:
    trial = Trial(method={"name": "identity"}, dataset={"name": "none"}, budget=None, seed=seed)
    return Job(trial=trial, data=None, cache=None, splits=())


@dataclass
class Listed:
    """A queue that remembers which jobs were completed."""

    jobs: list[Job]
    reported: list[tuple[Job, str | None]] = field(default_factory=list)
    total: int = 2
    work: float = 0.0
    note: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.total - len(self.reported)

    @property
    def open(self) -> bool:
        return bool(self.jobs)

    def next(self) -> Job | None:
        return self.jobs.pop(0) if self.jobs else None

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        self.reported.append((job, given_up))


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("nas.dispatch.time.monotonic", clock)
    return clock


def begin(runs: Path, job: Job) -> TrialFolder:
    """What a worker leaves that has begun with a trial."""
    folder = TrialFolder(runs, job.trial)
    folder.begin({})
    return folder


@contextmanager
def claimed_while_three_die(dispatcher: Dispatcher, folder: TrialFolder) -> Iterator[None]:
    """Three workers die at the trial, whose claim is still in force."""
    claim = take_claim(folder.path)
    assert claim is not None
    with claim:
        for name in "abc":
            dispatcher.assign(name)
            dispatcher.worker_died(name, KILLED)
        yield


def test_a_job_is_assigned_until_it_has_ended(tmp_path: Path) -> None:
    first, second = make_job(0), make_job(1)
    queue = Listed([first, second])
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    assert [dispatcher.assign(name) for name in "abc"] == [first, second, None]
    assert not dispatcher.over
    dispatcher.report("a", Report(status="finished"))
    dispatcher.report("b", Report(status="failed"))
    assert queue.reported == [(first, None), (second, None)]
    assert dispatcher.over


def test_a_job_that_is_held_comes_again_and_later_each_time(tmp_path: Path, clock: Clock) -> None:
    dispatcher = Dispatcher(queue=Listed([make_job(0)]), runs=tmp_path)
    waited = []
    for name in "abcdefg":
        began = clock.now
        while dispatcher.assign(name) is None:
            assert not dispatcher.over
            clock.now += 0.5
        waited.append(clock.now - began)
        dispatcher.report(name, Report(status=None))
    assert waited == [0.0, 3.0, 6.0, 12.0, 24.0, 30.0, 30.0]


def test_a_trial_that_kills_its_workers_is_recorded_as_failed(tmp_path: Path) -> None:
    job = make_job(0)
    queue, folder = Listed([job]), begin(tmp_path, job)
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    for name, death in zip("abcde", (KILLED, PREEMPTED, ERROR, PREEMPTED, KILLED), strict=True):
        assert dispatcher.assign(name) == job
        dispatcher.worker_died(name, death)
    reason = f"{ATTEMPTS} workers died while running it, the last one: killed by SIGKILL"
    assert dispatcher.assign("f") is None
    assert queue.reported == [(job, reason)]
    assert dispatcher.status().given_up == {job.trial.key: reason}
    assert (folder.status(), read_json(folder.path / "record.json")["reason"]) == ("failed", reason)
    assert dispatcher.over


@pytest.mark.parametrize("death", [KILLED, ERROR])
def test_a_finished_trial_that_cannot_be_evaluated_keeps_its_record_and_gets_a_note(
    tmp_path: Path, death: Death
) -> None:
    job = make_job(0)
    folder = begin(tmp_path, job)
    folder.finish({}, measured={})
    dispatcher = Dispatcher(
        queue=Listed([Job(trial=job.trial, data=None, cache=None, splits=("test",))]), runs=tmp_path
    )
    for name in "abc":
        dispatcher.assign(name)
        dispatcher.worker_died(name, death)
    assert folder.status() == "finished"
    reason = f"3 workers died while running it, the last one: {death.reason}"
    assert read_json(folder.path / GIVEN_UP)["reason"] == reason


def test_what_cannot_be_done_is_given_up_at_once_and_left_open(tmp_path: Path) -> None:
    job = make_job(0)
    queue = Listed([job])
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    dispatcher.assign("a")
    dispatcher.report("a", Report(problem="DataError: the files have changed"))
    assert queue.reported == [(job, "DataError: the files have changed")]
    assert TrialFolder(tmp_path, job.trial).status() is None
    assert read_json(tmp_path / job.trial.key / GIVEN_UP)["reason"] == "DataError: the files have changed"


def test_the_claim_of_an_orphan_elsewhere_is_released_by_who_has_watched_it(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever worker gets the job then, and however new it is."""
    monkeypatch.setattr(claims.OBSERVER, "_clock", lambda: clock.now)
    job = make_job(0)
    dispatcher = Dispatcher(queue=Listed([job]), runs=tmp_path)
    folder = begin(tmp_path, job)
    orphan = folder.path / "claim-0001.json"
    orphan.write_text('{"owner": "o", "host": "node7", "process": 1, "place": "another container", "beat": 3}')
    dispatcher.assign("a")
    dispatcher.report("a", Report(status=None))
    ((waiting, facts),) = dispatcher.status().waiting
    assert (waiting, facts["host"]) == (job, "node7")
    clock.now += 60
    assert dispatcher.assign("b") == job
    assert orphan.exists()
    dispatcher.report("b", Report(status=None))
    clock.now += claims.LOST_AFTER_S
    assert dispatcher.assign("c") == job
    assert not list(folder.path.glob("claim-*"))


def test_the_record_waits_for_the_claim_of_the_dead_worker(tmp_path: Path, clock: Clock) -> None:
    """On another host a claim outlives its process for a while."""
    job = make_job(0)
    queue, folder = Listed([job]), begin(tmp_path, job)
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    with claimed_while_three_die(dispatcher, folder):
        assert dispatcher.assign("d") is None
        assert (folder.status(), queue.reported, dispatcher.over) == ("running", [], False)
    clock.now += 60
    assert dispatcher.assign("d") is None
    assert folder.status() == "failed"
    assert dispatcher.over


def test_a_trial_that_another_sweep_has_done_meanwhile_is_not_given_up(tmp_path: Path, clock: Clock) -> None:
    job = make_job(0)
    queue, folder = Listed([job]), begin(tmp_path, job)
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    with claimed_while_three_die(dispatcher, folder):
        folder.finish({}, measured={})
    clock.now += 60
    assert dispatcher.assign("d") is None
    assert (queue.reported, dispatcher.status().given_up) == ([(job, None)], {})


@pytest.mark.parametrize("assigned", [True, False])
def test_workers_that_never_begin_end_the_work(tmp_path: Path, assigned: bool) -> None:
    dispatcher = Dispatcher(queue=Listed([make_job(0)]), runs=tmp_path)
    for name in "abc"[: ATTEMPTS - 1]:
        assert not assigned or dispatcher.assign(name) is not None
        dispatcher.worker_died(name, ERROR)
    with pytest.raises(WorkersDied, match="weights do not fit"):
        dispatcher.worker_died("c", ERROR)


def test_the_claim_of_a_lost_worker_binds_nobody_and_the_worker_finds_out(tmp_path: Path) -> None:
    """As of a host that is cut off from the driver, and writes on to the shared folder."""
    job = make_job(0)
    dispatcher = Dispatcher(queue=Listed([job]), runs=tmp_path)
    given = dispatcher.assign("cut off")
    assert given is not None
    folder = begin(tmp_path, given)
    claim = take_claim(folder.path, owner=given.owner)
    assert claim is not None
    with claim:
        dispatcher.worker_died("cut off", KILLED)
        again = dispatcher.assign("another")
        assert again is not None
        assert take_claim(folder.path) is None  # for everybody else it is held
        second = take_claim(folder.path, owner=again.owner, lost=again.lost)
        assert second is not None
        with second:
            with pytest.raises(claims.TakenOver):
                claim.require()
            second.require()
