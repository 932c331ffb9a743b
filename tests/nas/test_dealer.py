"""Who has which job: given again after a death or a refusal, given up after too many, errors kept for the caller."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fusemorph.configuration import Trial
from fusemorph.records import RecordError
from fusemorph.trial import Job
from nas import dealer
from nas.dealer import Dealer, Stopped
from nas.inline import WorkersDied


def make_job(seed: int) -> Job:
    trial = Trial(method={"name": "identity"}, dataset={"name": "none"}, budget=None, seed=seed)
    return Job(trial=trial, data=None, cache=None, splits=())


@dataclass
class Listed:
    """A feed that remembers what it was told."""

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

    def take(self) -> Job | None:
        return self.jobs.pop(0) if self.jobs else None

    def settle(self, job: Job, *, given_up: str | None = None) -> None:
        self.told.append((job, given_up))


def test_a_job_is_dealt_until_it_has_ended(tmp_path: Path) -> None:
    first, second = make_job(0), make_job(1)
    feed = Listed([first, second])
    dealing = Dealer(feed=feed, runs=tmp_path)
    assert [dealing.deal(name) for name in "abc"] == [first, second, None]
    assert not dealing.over
    dealing.settle("a", "finished")
    dealing.settle("b", "failed")
    assert feed.told == [(first, None), (second, None)]
    assert dealing.over


def test_a_job_that_is_held_comes_again_and_later_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(dealer.time, "monotonic", lambda: now[0])
    job = make_job(0)
    dealing = Dealer(feed=Listed([job]), runs=tmp_path)
    waited = []
    for name in "abcdefg":
        began = now[0]
        while dealing.deal(name) is None:
            assert not dealing.over
            now[0] += 0.5
        waited.append(now[0] - began)
        dealing.settle(name, None)
    assert waited == [0.0, 3.0, 6.0, 12.0, 24.0, 30.0, 30.0]


def test_a_job_that_takes_too_many_workers_with_it_is_given_up(tmp_path: Path) -> None:
    job = make_job(0)
    feed = Listed([job])
    dealing = Dealer(feed=feed, runs=tmp_path)
    (tmp_path / job.trial.key).mkdir()
    for name in "abcde":
        assert dealing.deal(name) is job
        dealing.lose(name, "out of memory", blamed=name not in "bd")
    assert dealing.deal("f") is None
    assert feed.told == [(job, "3 workers failed at it, the last with out of memory")]
    assert dealing.status().given_up == {job.trial.key: "3 workers failed at it, the last with out of memory"}


def test_workers_that_never_begin_end_the_work(tmp_path: Path) -> None:
    dealing = Dealer(feed=Listed([make_job(0)]), runs=tmp_path)
    for name in "ab":
        dealing.deal(name)
        dealing.lose(name, "no module named nas")
    dealing.deal("c")
    with pytest.raises(WorkersDied, match="no module named nas"):
        dealing.lose("c", "no module named nas")


def test_an_error_is_kept_for_the_caller_and_stops_the_engine(tmp_path: Path) -> None:
    dealing = Dealer(feed=Listed([]), runs=tmp_path)
    with pytest.raises(Stopped), dealing.serving():
        raise RecordError("damaged")
    assert isinstance(dealing.error, RecordError)
    assert not dealing.lock.locked()


def test_nothing_is_dealt_once_the_caller_has_stopped(tmp_path: Path) -> None:
    dealing = Dealer(feed=Listed([make_job(0)]), runs=tmp_path)
    dealing.stopped = True
    with pytest.raises(Stopped), dealing.serving():
        dealing.deal("a")
    assert dealing.error is None
    assert dealing.feed.open
