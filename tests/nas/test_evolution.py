"""Regularised evolution: children differ from good parents at one stage, and records rebuild the population."""

import numpy as np
import pytest

from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import canonical, live_stages, stage_symbols
from nas.evolution import POPULATION, EvolutionSearcher, mutate
from nas.parameter import Values
from nas.searcher import Outcome, RandomSearcher, Searcher, point_key
from nas.space import Choice, Space
from nas.spaces import full, placement

BASE = Fusion().configuration()
PLACEMENT = placement(BASE)
COARSE_TO_FINE = placement(BASE, "jsg/jscm")


def plan_of(space: Space, values: Values) -> str:
    return str(space.configure(values)[0]["plan"])


@pytest.mark.parametrize("space", [PLACEMENT, COARSE_TO_FINE], ids=["direct", "coarse to fine"])
def test_a_child_differs_at_one_stage_and_what_that_brings_to_life_or_cuts_off(space: Space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(80):
        parent = space.sample(rng)
        child = mutate(space, parent, rng)
        assert child is not None
        before, after = plan_of(space, parent), plan_of(space, child)
        assert after == canonical(after) != before
        assert after in space.plans()
        both = live_stages(before) & live_stages(after)
        assert sum(stage_symbols(before)[stage - 1] != stage_symbols(after)[stage - 1] for stage in both) == 1


def test_a_child_of_a_wide_space_changes_one_parameter() -> None:
    rng, space = np.random.default_rng(0), full(BASE)
    for _ in range(80):
        parent = space.sample(rng)
        child = mutate(space, parent, rng)
        assert child is not None
        changed = [name for name in parent if name in child and child[name] != parent[name]]
        assert len(changed) == 1
        if not changed[0].startswith("plan."):
            assert child.keys() == parent.keys()


def gates(values: Values) -> float:
    return float(list(values.values()).count("g") - 0.5 * list(values.values()).count("s"))


def best_of(searcher: Searcher, trials: int) -> float:
    best = -np.inf
    for _ in range(trials):
        values = searcher.ask()
        assert values is not None
        best = max(best, gates(values))
        searcher.tell(values, Outcome(state="finished", values=(gates(values),)))
    return best


def test_it_climbs_where_random_search_does_not() -> None:
    seeds = range(3)
    evolved = [best_of(EvolutionSearcher(PLACEMENT, directions=("maximize",), seed=s), 50) for s in seeds]
    drawn = [best_of(RandomSearcher(PLACEMENT, s), 50) for s in seeds]
    assert np.mean(evolved) > np.mean(drawn) + 0.5


def test_points_that_did_not_finish_have_no_children_and_the_young_ones_do() -> None:
    searcher = EvolutionSearcher(PLACEMENT, directions=("minimize",), seed=0)
    others = RandomSearcher(PLACEMENT, 1)
    asked = [values for _ in range(3 * POPULATION) if (values := others.ask()) is not None]
    for i, values in enumerate(asked):
        young = i >= 2 * POPULATION
        ended = Outcome(state="finished", values=(float(young),)) if i % 2 or young else Outcome(state="failed")
        searcher.adopt(values, ended)
    parents = {plan_of(PLACEMENT, values) for values in asked[-POPULATION:]}
    for _ in range(20):
        child = searcher.ask()
        assert child is not None
        assert any(_distance(parent, plan_of(PLACEMENT, child)) == 1 for parent in parents)


def _distance(first: str, second: str) -> int:
    both = live_stages(first) & live_stages(second)
    return sum(first[stage - 1] != second[stage - 1] for stage in both)


def test_several_objectives_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'directions' must be of one objective, got 2; nsga2 takes several"):
        EvolutionSearcher(PLACEMENT, directions=("maximize", "minimize"), seed=0)


def test_a_space_with_nothing_to_change_is_drawn_from() -> None:
    space = Space(BASE, "", (Choice("gate.temperature", (0.5,)),))
    assert mutate(space, {"gate.temperature": 0.5}, np.random.default_rng(0)) is None
    searcher = EvolutionSearcher(space, directions=("maximize",), seed=0)
    assert point_key(searcher.ask() or {}) == point_key({"gate.temperature": 0.5})
    assert searcher.ask() is None
