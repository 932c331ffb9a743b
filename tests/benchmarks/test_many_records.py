"""How long it takes to take up a study of ten thousand finished trials, and what memory that takes."""

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fusemorph.configuration import BUDGETS, Trial
from fusemorph.fusion.method import Fusion
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from nas.jobs import JobList
from nas.objectives import find_objectives
from nas.optuna import OptunaSearcher
from nas.search import Search
from nas.search_plan import Candidate, SearchPlan
from nas.searcher import RandomSearcher, Searcher
from nas.space import Values
from nas.spaces import full

COUNT = 10_000
BUDGET = BUDGETS["search"]
SPACE = full(Fusion().configuration())


def candidate(values: Values) -> Candidate:
    """The candidate of a point, with its one trial."""
    method, changes = SPACE.configure(values)
    trial = Trial(method=method, dataset={"name": "d", "fingerprint": "f"}, budget=asdict(BUDGET) | changes, seed=0)
    job = Job(trial=trial, data=None, cache=None, splits=())
    return Candidate(label="", values=values, method=method, budget_changes=changes, jobs=(job,))


@pytest.fixture(scope="module")
def points() -> list[Values]:
    rng = np.random.default_rng(0)
    return [SPACE.sample(rng) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def runs(points: Sequence[Values], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of all points, four validations each, not synchronised with the disk (it takes minutes)."""
    runs = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        for values in points:
            (job,) = candidate(values).jobs
            rows = [{"step": 50 * (i + 1), "val_dice": 0.5 + 0.1 * float(rng.random())} for i in range(4)]
            TrialFolder(runs, job.trial).finish({"parameters": 1}, history=rows, measured={})
    return runs


def measured(benchmark: BenchmarkFixture, work: Any) -> Any:
    """What the work returns; its seconds, and the memory of this process since it began, are printed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started, cpu = time.perf_counter(), time.process_time()
    result = benchmark.pedantic(work, rounds=1)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    benchmark.extra_info.update(wall_s=seconds, cpu_s=cpu, peak_mib=more)
    print(f"\n{COUNT} records: {seconds:.1f} s, {cpu:.1f} s of CPU; process at {more:.0f} MiB, before {before:.0f}")
    return result


def test_what_is_missing(benchmark: BenchmarkFixture, points: Sequence[Values], runs: Path) -> None:
    jobs = [job for values in points for job in candidate(values).jobs]
    assert measured(benchmark, lambda: JobList(jobs, runs)).left == 0


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_search_taken_up_again(benchmark: BenchmarkFixture, kind: str, points: Sequence[Values], runs: Path) -> None:
    plan = SearchPlan(
        name="many", space=SPACE, trials=COUNT, objectives=find_objectives(["dice"]), identity_dice={"d": 0.5},
        runs=runs, seed=0, make=candidate, refuses=lambda method: None, limits={}, save_candidates=lambda search: None,
    )  # fmt: skip

    def resume() -> Search:
        searcher: Searcher = RandomSearcher(SPACE, 0)
        if kind == "tpe":
            searcher = OptunaSearcher(SPACE, directions=["maximize"], sampler="tpe", seed=0)
        search = Search(plan=plan, searcher=searcher)
        search.resume([(values, None) for values in points])
        return search

    assert len(measured(benchmark, resume).outcomes) >= 0.99 * COUNT  # some points are the same configuration
