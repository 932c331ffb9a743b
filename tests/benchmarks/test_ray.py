"""What the Ray driver adds to each trial, measured with trials that have nothing left to do."""

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from nas.jobs import JobList
from nas.ray import run_ray

COUNT = 200


class TimedList(JobList):
    """Notes when each job has ended."""

    def __init__(self, jobs: list[Job], runs: Path) -> None:
        super().__init__(jobs, runs)
        self.ended: list[float] = []

    def complete(self, job: Job, *, given_up: str | None = None) -> None:
        self.ended.append(time.perf_counter())
        super().complete(job, given_up=given_up)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TimedList:
    """Jobs that were open when they were listed, and have ended since."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    trials = [Trial(method={"name": "identity"}, dataset={}, budget=None, seed=seed) for seed in range(COUNT)]
    queue = TimedList([Job(trial=trial, data=None, cache=None, splits=()) for trial in trials], tmp_path)
    for trial in trials:
        TrialFolder(tmp_path, trial).finish({}, measured={})
    return queue


def test_overhead_of_a_trial(benchmark: BenchmarkFixture, queue: TimedList, tmp_path: Path) -> None:
    benchmark.pedantic(lambda: list(run_ray(queue, tmp_path)), rounds=1)
    assert len(queue.ended) == COUNT
    overhead_s = (queue.ended[-1] - queue.ended[0]) / (COUNT - 1)
    benchmark.extra_info.update(overhead_s=overhead_s)
    print(f"\nRay driver: {overhead_s * 1000:.0f} ms a trial after the first (goal: 100)")
    assert overhead_s <= 0.1
