"""Optuna as a searcher: states, journal, rebuilding from outcomes, and what each sampler needs."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from fusemorph.fusion.method import Fusion
from fusemorph.storage import StorageError
from nas.optuna import BRUTE_LIMIT, POPULATION, STARTUP, OptunaSearcher, Sampler
from nas.searcher import Outcome, point_key
from nas.space import Choice, Range, Space, Values
from nas.spaces import full, placement

BASE = Fusion().configuration()
PLACEMENT = placement(BASE)
SMALL = Space(BASE, "", (Choice("gate.temperature", (0.5, 1.0, 2.0)), Choice("gate.initial_bias", (None, 0.0))))
FULL = full(BASE)
SAMPLERS: tuple[Sampler, ...] = ("tpe", "nsga2", "random", "brute")


def make_searcher(space: Space, sampler: Sampler = "tpe", **changes: Any) -> OptunaSearcher:
    return OptunaSearcher(space, **{"directions": ["maximize"], "sampler": sampler, "seed": 0} | changes)


def load_trials(journal: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.load_study(study_name=journal.stem, storage=storage).get_trials()


def gates(values: Values) -> int:
    """A toy objective: how many stages are gates."""
    return list(values.values()).count("g")


def outcome_of(values: Values) -> Outcome:
    """Every third point or so is stopped early; the others end with the toy objective."""
    seen = {10: 0.1 * gates(values), 20: 0.2 * gates(values)}
    if len(values) % 3 == 0:
        return Outcome(state="pruned", intermediate=seen)
    return Outcome(state="finished", values=(float(gates(values)),), intermediate=seen)


def ask(searcher: OptunaSearcher) -> Values:
    values = searcher.ask()
    assert values is not None
    return values


def search(searcher: OptunaSearcher, count: int) -> list[tuple[Values, Outcome]]:
    history = []
    for _ in range(count):
        values = ask(searcher)
        history.append((values, outcome_of(values)))
        searcher.tell(*history[-1])
    return history


def facts(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.state, list(trial.params.items()), trial.distributions, trial.values, trial.intermediate_values


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("space", [PLACEMENT, FULL], ids=["placement", "full"])
def test_adopted_outcomes_rebuild_a_search_that_goes_on_the_same_way(
    space: Space, sampler: Sampler, tmp_path: Path
) -> None:
    first = make_searcher(space, sampler, journal=tmp_path / "first.log")
    history = search(first, STARTUP + 10)
    rebuilt = make_searcher(space, sampler, journal=tmp_path / "rebuilt.log")
    for values, outcome in history:
        rebuilt.adopt(values, outcome)
    trials = [load_trials(tmp_path / name) for name in ("first.log", "rebuilt.log")]
    assert len(trials[0]) == len(history)
    assert [facts(trial) for trial in trials[0]] == [facts(trial) for trial in trials[1]]
    assert search(first, 5) == search(rebuilt, 5)


def test_the_seed_decides_what_is_asked() -> None:
    asked = [search(make_searcher(FULL, seed=seed), STARTUP + 2) for seed in (0, 0, 1)]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_states_reach_the_journal(tmp_path: Path) -> None:
    searcher = make_searcher(PLACEMENT, journal=tmp_path / "study.log")
    for outcome in (
        Outcome(state="finished", values=(0.5,), intermediate={10: 0.4}),
        Outcome(state="pruned", intermediate={10: 0.1, 20: 0.2}),
        Outcome(state="failed"),
        Outcome(state="refused"),
    ):
        searcher.tell(ask(searcher), outcome)
    searcher.ask()
    trials = load_trials(tmp_path / "study.log")
    states = ["COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING"]
    assert [trial.state.name for trial in trials] == states
    assert [trial.values for trial in trials] == [[0.5], [0.2], None, None, None]
    assert trials[1].intermediate_values == {10: 0.1, 20: 0.2}


def test_a_journal_that_is_there_is_replaced(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "study.log"
    for count in (3, 1):
        search(make_searcher(PLACEMENT, journal=journal), count)
        assert len(load_trials(journal)) == count
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*study\.log"):
        make_searcher(PLACEMENT, journal=tmp_path / "file" / "study.log")


def test_an_outcome_ends_all_open_trials_of_its_point(tmp_path: Path) -> None:
    searcher = make_searcher(SMALL, "random", journal=tmp_path / "study.log")
    asked = [ask(searcher) for _ in range(5)]
    point = max(asked, key=asked.count)
    assert asked.count(point) > 1
    searcher.tell(dict(reversed(point.items())), Outcome(state="finished", values=(1.0,)))
    complete = [trial for trial in load_trials(tmp_path / "study.log") if trial.state == TrialState.COMPLETE]
    assert [trial.params for trial in complete] == [point] * asked.count(point)
    with pytest.raises(ValueError, match="must be an open point"):
        searcher.tell(point, Outcome(state="failed"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_point_that_was_adopted_open_ends_like_one_that_was_asked(sampler: Sampler, tmp_path: Path) -> None:
    searcher = make_searcher(PLACEMENT, sampler, journal=tmp_path / "study.log")
    search(searcher, 3)
    elsewhere: Values = {"plan.7": "j", "plan.6": "s", "plan.1": "g"}
    searcher.adopt(elsewhere, None)
    assert load_trials(tmp_path / "study.log")[-1].state == TrialState.RUNNING
    searcher.tell(elsewhere, Outcome(state="pruned", intermediate={10: 0.3}))
    last = load_trials(tmp_path / "study.log")[-1]
    assert (last.state, last.value) == (TrialState.PRUNED, 0.3)
    assert elsewhere.items() <= last.params.items()


def test_several_objectives_are_searched_and_nothing_is_reported(tmp_path: Path) -> None:
    searcher = make_searcher(
        PLACEMENT, "nsga2", directions=["maximize", "minimize"], journal=tmp_path / "study.log", seed=1
    )
    for _ in range(3 * POPULATION):
        values = ask(searcher)
        both = (float(gates(values)), float(len(values)))
        searcher.tell(values, Outcome(state="finished", values=both, intermediate={10: 0.1}))
    searcher.tell(ask(searcher), Outcome(state="pruned", intermediate={10: 0.1}))
    *finished, pruned = load_trials(tmp_path / "study.log")
    assert not any(trial.intermediate_values for trial in (*finished, pruned))
    assert (pruned.state, pruned.values) == (TrialState.PRUNED, None)
    early, late = finished[:POPULATION], finished[-POPULATION:]
    assert np.mean([t.values[0] - t.values[1] for t in late]) > np.mean([t.values[0] - t.values[1] for t in early])


def test_adopted_points_are_parents_of_nsga2() -> None:
    searcher = make_searcher(PLACEMENT, "nsga2")
    parent: Values = {f"plan.{stage}": "g" for stage in range(7, 0, -1)}
    other: Values = {"plan.7": "g", "plan.6": "s", "plan.1": "j"}  # shares three stages with the parent
    for _ in range(POPULATION):
        searcher.adopt(parent, Outcome(state="finished", values=(1.0,)))
        searcher.adopt(other, Outcome(state="finished", values=(0.0,)))
    children = [ask(searcher) for _ in range(20)]
    assert np.mean([gates(child) for child in children]) > 4.5


@pytest.mark.parametrize("space", [SMALL, Space(BASE, "sg")], ids=["settings", "plans"])
def test_brute_force_asks_every_point_once_and_then_none(space: Space) -> None:
    searcher = make_searcher(space, "brute")
    adopted = list(space.points())[::4]
    for values in adopted:
        searcher.adopt(values, outcome_of(values))
    asked = []
    while (point := searcher.ask()) is not None:
        asked.append(point)
        searcher.tell(point, Outcome(state="failed"))
    assert len(asked) + len(adopted) == space.size()
    assert len({point_key(point) for point in (*asked, *adopted)}) == space.size()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_exhausted_space_ends_every_search(sampler: Sampler) -> None:
    searcher = make_searcher(SMALL, sampler)
    *others, last = SMALL.points()
    for values in others:
        searcher.adopt(values, Outcome(state="finished", values=(0.5,)))
    assert searcher.ask() is not None
    searcher.adopt(last, None)
    assert searcher.ask() is None


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_points_before_anything_is_known_are_uniform_over_plans(sampler: Sampler) -> None:
    searcher = make_searcher(PLACEMENT, sampler)
    late = sum(ask(searcher) == {"plan.7": "s"} for _ in range(100))
    assert late < 5  # stage by stage it would be one in three


def test_tpe_learns() -> None:
    history = search(make_searcher(PLACEMENT), 60)
    assert np.mean([gates(values) for values, _ in history[-10:]]) > np.mean([gates(v) for v, _ in history[:10]]) + 1


def test_asked_points_belong_to_the_space_in_type_and_range() -> None:
    searcher = make_searcher(FULL)
    for values, _ in search(searcher, STARTUP + 10):
        assert FULL.fit(values) == values
        assert {type(values["loss.kl_weight"]), type(values["width"])} == {float, int}
        FULL.configure(values)


def test_nothing_is_printed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from nas.optuna import OptunaSearcher; from nas.searcher import Outcome; "
        "from nas.space import Space; space = Space({'name': 'fusion', 'plan': 'ggggggg'}, 'sg')\n"
        "for sampler in ('tpe', 'nsga2', 'random', 'brute'):\n"
        "    journal = pathlib.Path(sys.argv[1], sampler)\n"
        "    searcher = OptunaSearcher(space, directions=['maximize'], sampler=sampler, seed=0, journal=journal)\n"
        "    for number in range(12):\n"
        "        searcher.tell(searcher.ask(), Outcome(state='finished', values=(number + 0.5,)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(load_trials(tmp_path / "tpe")) == 12


@pytest.mark.parametrize(
    ("space", "changes", "message"),
    [
        (PLACEMENT, {"sampler": "anneal"}, "'sampler' must be one of tpe, nsga2"),
        (PLACEMENT, {"directions": []}, "'directions' must be"),
        (PLACEMENT, {"directions": ["up"]}, "'directions' must be"),
        (Space(BASE, "", (Range("loss.kl_weight", 0.1, 1.0),)), {"sampler": "brute"}, "got ranges"),
        (placement(BASE, "jsgdpc"), {"sampler": "brute"}, f"at most {BRUTE_LIMIT} points"),
    ],
)
def test_what_optuna_cannot_search_is_refused(space: Space, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_searcher(space, **changes)


def test_an_outcome_must_have_a_value_per_objective() -> None:
    searcher = make_searcher(SMALL)
    point = ask(searcher)
    for learn in (searcher.tell, searcher.adopt):
        with pytest.raises(ValueError, match="must have 1 values"):
            learn(point, Outcome(state="finished", values=(1.0, math.pi)))
    searcher.tell(point, Outcome(state="finished", values=(1.0,)))
