"""Who has which job: given again after a death or a refusal, given up after too many, errors kept for the caller."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fusemorph.configuration import Trial
from fusemorph.records import RecordError
from fusemorph.trials.run import Job
from nas import dispatch
from nas.dispatch import Dispatcher, Stopped
from nas.inline import WorkersDied


def make_job(seed: int) -> Job:
    trial = Trial(method={"name": "identity"}, dataset={"name": "none"}, budget=None, seed=seed)
    return Job(trial=trial, data=None, cache=None, splits=())


@dataclass
class Listed:
    """A queue that remembers what it was told."""

    jobs: list[Job]
    told: list[tuple[Job, str | None]] = field(default_factory=list)
    total: int = 2
    work: float = 0.0
    note: str = ""

    @property
    def left(self) -> int:
        return self.total - len(self.told)

    @property
    def open(self) -> bool:
        return bool(self.jobs)

    def next(self) -> Job | None:
        return self.jobs.pop(0) if self.jobs else None

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        self.told.append((job, given_up))


def test_a_job_is_dealt_until_it_has_ended(tmp_path: Path) -> None:
    first, second = make_job(0), make_job(1)
    queue = Listed([first, second])
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    assert [dispatcher.assign(name) for name in "abc"] == [first, second, None]
    assert not dispatcher.over
    dispatcher.complete("a", "finished")
    dispatcher.complete("b", "failed")
    assert queue.told == [(first, None), (second, None)]
    assert dispatcher.over


def test_a_job_that_is_held_comes_again_and_later_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(dispatch.time, "monotonic", lambda: now[0])
    job = make_job(0)
    dispatcher = Dispatcher(queue=Listed([job]), runs=tmp_path)
    waited = []
    for name in "abcdefg":
        began = now[0]
        while dispatcher.assign(name) is None:
            assert not dispatcher.over
            now[0] += 0.5
        waited.append(now[0] - began)
        dispatcher.complete(name, None)
    assert waited == [0.0, 3.0, 6.0, 12.0, 24.0, 30.0, 30.0]


def test_a_job_that_takes_too_many_workers_with_it_is_given_up(tmp_path: Path) -> None:
    job = make_job(0)
    queue = Listed([job])
    dispatcher = Dispatcher(queue=queue, runs=tmp_path)
    (tmp_path / job.trial.key).mkdir()
    for name in "abcde":
        assert dispatcher.assign(name) is job
        dispatcher.worker_died(name, "out of memory", blamed=name not in "bd")
    assert dispatcher.assign("f") is None
    assert queue.told == [(job, "3 workers failed at it, the last with out of memory")]
    assert dispatcher.status().given_up == {job.trial.key: "3 workers failed at it, the last with out of memory"}


def test_workers_that_never_begin_end_the_work(tmp_path: Path) -> None:
    dispatcher = Dispatcher(queue=Listed([make_job(0)]), runs=tmp_path)
    for name in "ab":
        dispatcher.assign(name)
        dispatcher.worker_died(name, "no module named nas")
    dispatcher.assign("c")
    with pytest.raises(WorkersDied, match="no module named nas"):
        dispatcher.worker_died("c", "no module named nas")


def test_an_error_is_kept_for_the_caller_and_stops_the_engine(tmp_path: Path) -> None:
    dispatcher = Dispatcher(queue=Listed([]), runs=tmp_path)
    with pytest.raises(Stopped), dispatcher.serving():
        raise RecordError("damaged")
    assert isinstance(dispatcher.error, RecordError)
    assert not dispatcher.lock.locked()


def test_nothing_is_dealt_once_the_caller_has_stopped(tmp_path: Path) -> None:
    dispatcher = Dispatcher(queue=Listed([make_job(0)]), runs=tmp_path)
    dispatcher.stopped = True
    with pytest.raises(Stopped), dispatcher.serving():
        dispatcher.assign("a")
    assert dispatcher.error is None
    assert dispatcher.queue.open
