"""The search as a queue: distinct configurations, told by the records, rebuilt from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fusemorph.configuration import Budget, Json, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing, run_job
from nas.objectives import find_objectives
from nas.search import Search
from nas.search_plan import Candidate, SearchPlan
from nas.searcher import GridSearcher, Outcome, RandomSearcher, Searcher
from nas.space import Choice, Space, Values

BUDGET = Budget(steps=4, width=2, learning_rate=1e-3, validations=4, validation_pairs=1)
METHOD = Fusion(plan="autofuse", channels=(4, 8, 8, 16, 16))
SMALL = Space(METHOD.configuration(), "", (Choice("gate.hard", (False, True)), Choice("loss.window", (3, 5))))


@dataclass(frozen=True)
class StopsAt:
    """Stops every trial at a step."""

    step: int
    study: str = "strict"

    def __call__(self, runs: Path, history: Sequence[Any]) -> str | None:
        return "stopped by the test" if history[-1]["step"] == self.step else None


class Stubborn(Searcher):
    """Proposes one point for ever."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.outcomes: list[Outcome] = []

    def ask(self) -> Values | None:
        return dict(self.values)

    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        pass

    def tell(self, values: Values, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture(scope="module")
def dataset_entry(brains_cache: Path) -> tuple[Json, Path]:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4)
    return dataset.configuration(), brains_cache


def make_plan(entry: tuple[Json, Path], runs: Path, *, trials: int, space: Space = SMALL, **changes: Any) -> SearchPlan:
    described, cache = entry
    stop = changes.pop("stop", None)
    budget = changes.pop("budget", BUDGET)

    def make(values: Values) -> Candidate:
        method, budget_changes = space.configure(values)
        changed = asdict(replace(budget, **budget_changes))
        trial = Trial(method=method, dataset=described, budget=changed, seed=0)
        job = Job(trial=trial, data=None, cache=cache, splits=(), stop=stop)
        return Candidate(label=str(values), values=values, method=method, budget_changes=budget_changes, jobs=(job,))

    settled: dict[str, Any] = {
        "name": "test", "space": space, "trials": trials, "objectives": find_objectives(["dice"]),
        "runs": runs, "seed": 0,
        "identity_dice": {"virtual_brains": 0.5}, "make": make, "refuses": lambda method: None, "limits": {},
        "save_candidates": lambda search: None,
    }  # fmt: skip
    return SearchPlan(**settled | changes)


def work(search: Search) -> list[str]:
    """Run the search to its end in this process; returns the keys in their order."""
    keys = []
    while (job := search.next()) is not None:
        run_job(job, search.plan.runs)
        search.complete(job)
        keys.append(job.trial.key)
    assert (search.left, search.open) == (0, False)
    return keys


def test_a_small_space_is_exhausted_and_ends(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    search = Search(plan=make_plan(dataset_entry, tmp_path, trials=9), searcher=GridSearcher(SMALL, 0))
    assert len(set(work(search))) == SMALL.size() == 4
    assert search.exhausted
    assert [outcome.state for outcome in search.outcomes.values()] == ["finished"] * 4
    values = [search.outcomes[candidate.identity].values[0] for candidate in search.ranked()]
    assert values == sorted(values, reverse=True)


def test_more_trials_later_add_to_those_that_are_there(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    first = Search(plan=make_plan(dataset_entry, tmp_path, trials=2), searcher=RandomSearcher(SMALL, 0))
    done = work(first)
    more = Search(plan=make_plan(dataset_entry, tmp_path, trials=4), searcher=RandomSearcher(SMALL, 0))
    more.resume([(candidate.values, None) for candidate in first.candidates.values()])
    added = work(more)
    assert len(done) == len(added) == 2
    assert len(more.candidates) == len({*done, *added}) == 4
    assert list(more.outcomes)[:2] == list(first.outcomes)


def test_an_interrupted_trial_comes_first_again(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    saved: list[list[Values]] = []
    plan = make_plan(
        dataset_entry,
        tmp_path,
        trials=2,
        save_candidates=lambda s: saved.append([c.values for c in s.candidates.values()]),
    )
    killed = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    job = killed.next()
    assert job is not None
    again = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    again.resume([(values, None) for values in saved[-1]])
    assert work(again)[0] == job.trial.key
    assert len(again.candidates) == 2


def test_what_another_study_finished_is_not_done_again(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    work(Search(plan=make_plan(dataset_entry, tmp_path, trials=4), searcher=GridSearcher(SMALL, 0)))
    other = Search(plan=make_plan(dataset_entry, tmp_path, trials=4), searcher=GridSearcher(SMALL, 1))
    assert work(other) == []
    assert len(other.outcomes) == 4


def test_a_stopped_trial_is_pruned_and_can_be_continued(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    plan = make_plan(dataset_entry, tmp_path / "stopped", trials=1, stop=StopsAt(2))
    search = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    (key,) = work(search)
    (outcome,) = search.outcomes.values()
    assert (outcome.state, sorted(outcome.intermediate)) == ("pruned", [1, 2])
    job = next(iter(search.candidates.values())).jobs[0]
    folder = TrialFolder(plan.runs, job.trial)
    assert folder.status() == "pruned"
    assert not is_missing(job, plan.runs)
    free = replace(job, stop=None)
    assert is_missing(free, plan.runs)
    assert run_job(free, plan.runs) == "finished"
    run_job(free, tmp_path / "whole")
    for name in ("weights.safetensors", "history.csv", "gates.csv", "record.json"):
        continued, whole = ((runs / key / name).read_bytes() for runs in (plan.runs, tmp_path / "whole"))
        assert sha256(continued).hexdigest() == sha256(whole).hexdigest(), name


def test_what_is_stopped_on_one_dataset_is_not_tried_on_another(
    dataset_entry: tuple[Json, Path], tmp_path: Path
) -> None:
    plan = make_plan(dataset_entry, tmp_path, trials=1, stop=StopsAt(2))

    def make(values: Values) -> Candidate:
        configuration = plan.make(values)
        (job,) = configuration.jobs
        return replace(configuration, jobs=(job, replace(job, trial=replace(job.trial, seed=1))))

    search = Search(plan=replace(plan, make=make), searcher=RandomSearcher(SMALL, 0))
    assert len(work(search)) == 1
    assert list(search.outcomes.values()) == [Outcome(state="pruned")]


def test_what_another_search_stopped_is_judged_anew(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    strict = make_plan(dataset_entry, tmp_path, trials=1, stop=StopsAt(2))
    work(Search(plan=strict, searcher=RandomSearcher(SMALL, 0)))
    lenient = make_plan(dataset_entry, tmp_path, trials=1, stop=StopsAt(3, "lenient"))
    other = Search(plan=lenient, searcher=RandomSearcher(SMALL, 0))
    assert len(work(other)) == 1
    assert [sorted(outcome.intermediate) for outcome in other.outcomes.values()] == [[1, 2, 3]]
    third = Search(plan=lenient, searcher=RandomSearcher(SMALL, 0))
    assert work(third) == []
    assert third.outcomes == other.outcomes


def test_a_search_stands_by_its_judgement(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    """Another study trains to its end what the search has stopped: the search goes on as if it did not know."""
    plan = make_plan(dataset_entry, tmp_path, trials=1, stop=StopsAt(2))
    search = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    work(search)
    (candidate,) = search.candidates.values()
    assert run_job(replace(candidate.jobs[0], stop=None), plan.runs) == "finished"
    again = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    again.resume([(candidate.values, 2)])
    assert again.outcomes == search.outcomes
    assert (again.left, again.open, again.ranked()) == (0, False, [])
    unstopped = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    unstopped.resume([(candidate.values, None)])
    assert unstopped.ranked() == [candidate]


def test_the_last_step_is_never_stopped_at(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    plan = make_plan(dataset_entry, tmp_path, trials=1, stop=StopsAt(4))
    search = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    work(search)
    assert [outcome.state for outcome in search.outcomes.values()] == ["finished"]


def test_a_failed_trial_is_told_and_the_search_goes_on(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    space = Space(METHOD.configuration(), "", (Choice("loss.kl_weight", (1e38, 1e-2)),))
    search = Search(plan=make_plan(dataset_entry, tmp_path, trials=2, space=space), searcher=GridSearcher(space, 0))
    assert len(work(search)) == 2
    assert sorted(outcome.state for outcome in search.outcomes.values()) == ["failed", "finished"]
    assert "1 failed" in search.note


def test_a_stubborn_searcher_is_overruled(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    searcher = Stubborn(next(iter(SMALL.points())))
    search = Search(plan=make_plan(dataset_entry, tmp_path, trials=4), searcher=searcher)
    assert len(set(work(search))) == 4
    assert search.duplicates >= 100
    assert {outcome.state for outcome in searcher.outcomes} == {"finished"}


def test_constraints_refuse_before_training(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    plan = make_plan(
        dataset_entry, tmp_path, trials=4, refuses=lambda method: "hard" if method["gate"]["hard"] else None
    )
    search = Search(plan=plan, searcher=GridSearcher(SMALL, 0))
    assert len(work(search)) == 2
    assert len(search.refused) == 2
    assert all(not candidate.method["gate"]["hard"] for candidate in search.candidates.values())


def test_a_trial_that_a_driver_gives_up_has_failed(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    search = Search(plan=make_plan(dataset_entry, tmp_path, trials=1), searcher=RandomSearcher(SMALL, 0))
    job = search.next()
    assert job is not None
    search.complete(job, given_up="it killed two workers")
    assert [outcome.state for outcome in search.outcomes.values()] == ["failed"]
    assert search.left == 0


@pytest.mark.parametrize(("name", "kept"), [("record.json", 0.6), ("history.csv", 0), ("history.csv", 0.97)])
def test_a_damaged_record_is_made_again_or_a_problem_and_the_search_goes_on(
    dataset_entry: tuple[Json, Path], tmp_path: Path, name: str, kept: float
) -> None:
    plan = make_plan(dataset_entry, tmp_path, trials=2)
    first = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    damaged, _ = work(first)
    path = tmp_path / damaged / name
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    again = Search(plan=replace(plan, trials=3), searcher=RandomSearcher(SMALL, 0))
    again.resume([(candidate.values, None) for candidate in first.candidates.values()])
    if name == "record.json":
        assert work(again)[0] == damaged
        assert [outcome.state for outcome in again.outcomes.values()].count("finished") == 3
    else:
        assert [outcome.state for outcome in again.outcomes.values()] == ["failed", "finished"]
        assert name in again.problems[damaged]
        assert len(work(again)) == 1


def test_a_history_that_lacks_its_last_rows_is_a_problem(dataset_entry: tuple[Json, Path], tmp_path: Path) -> None:
    plan = make_plan(dataset_entry, tmp_path, trials=1)
    first = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    (key,) = work(first)
    path = tmp_path / key / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    again = Search(plan=plan, searcher=RandomSearcher(SMALL, 0))
    again.resume([(candidate.values, None) for candidate in first.candidates.values()])
    assert "history.csv must end at step 4, as its record does, got 3" in again.problems[key]
