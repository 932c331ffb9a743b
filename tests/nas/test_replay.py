"""Replayed searches: the past alone is seen, and random search does what combinatorics says."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from nas.evolution import EvolutionSearcher
from nas.optuna import OptunaSearcher
from nas.replay import expected_best, replay, replay_many
from nas.searcher import Outcome, RandomSearcher, Searcher
from nas.space import Space, Values
from nas.table import Curves
from tests.nas.made_table import STEPS, made_table

TABLE = made_table()
SPACE, CURVES = TABLE.space, TABLE.curves("hippocampus")


class Watched(Searcher):
    """A searcher that notes what it asks and is told."""

    def __init__(self, searcher: Searcher, space: Space) -> None:
        self.searcher, self.space = searcher, space
        self.asked: list[str] = []
        self.told: list[tuple[str, Outcome]] = []

    def ask(self) -> Values | None:
        values = self.searcher.ask()
        assert values is not None
        self.asked.append(self.space.plan_of(values))
        return values

    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        self.searcher.adopt(values, outcome)

    def tell(self, values: Values, outcome: Outcome) -> None:
        self.told.append((self.space.plan_of(values), outcome))
        self.searcher.tell(values, outcome)


def evolution() -> Searcher:
    return EvolutionSearcher(SPACE, directions=("maximize",), seed=3)


def tpe() -> Searcher:
    return OptunaSearcher(SPACE, directions=("maximize",), sampler="tpe", seed=3)


@pytest.mark.parametrize("make", [evolution, tpe])
def test_a_search_does_not_know_what_it_has_not_paid_for(make) -> None:  # type: ignore[no-untyped-def]
    """Whatever the table holds beyond what was revealed, the proposals are the same."""
    watched = Watched(make(), SPACE)
    replayed = replay(CURVES, SPACE, watched, trials=18, seed=0, halving=True)
    place = {plan: i for i, plan in enumerate(CURVES.plans)}
    hidden = np.random.default_rng(1).normal(0, 10, CURVES.dice.shape)
    spent = 0.0
    for plan, outcome in dict(watched.told).items():
        seen = len(outcome.intermediate)
        assert list(outcome.intermediate.values()) == list(CURVES.dice[place[plan], 0, :seen])
        hidden[place[plan], 0, :seen] = CURVES.dice[place[plan], 0, :seen]
        assert (outcome.state == "finished") == (seen == len(STEPS))
        spent += CURVES.seconds[place[plan], 0, seen - 1]
    assert replayed.seconds[-1] == pytest.approx(spent)
    assert any(outcome.state == "pruned" for _, outcome in watched.told)
    again = Watched(make(), SPACE)
    replay(replace(CURVES, dice=hidden), SPACE, again, trials=18, seed=0, halving=True)
    assert again.asked == watched.asked


def test_the_expectation_of_the_best_is_that_over_all_subsets() -> None:
    values = np.array([0.3, 0.1, 0.9, 0.4, 0.4])
    for n, expected in enumerate(expected_best(values, 9), start=1):
        assert expected == pytest.approx(np.mean([max(chosen) for chosen in combinations(values, n)]))
    assert len(expected_best(values, 9)) == 5


def test_random_search_has_its_expectation_within_three_standard_errors() -> None:
    found = replay_many(CURVES, SPACE, lambda seed: RandomSearcher(SPACE, seed), repeats=400, trials=20)
    for seed in range(2):
        best = np.array([search.best for search in found[seed::2]])
        errors = best.std(axis=0, ddof=1) / np.sqrt(len(best))
        assert (np.abs(best.mean(axis=0) - expected_best(CURVES.dice[:, seed, -1], 20)) <= 3 * errors).all()


def test_time_rises_and_regret_ends_where_every_plan_was_trained() -> None:
    replayed = replay(CURVES, SPACE, RandomSearcher(SPACE, 0), trials=1000, seed=1)
    assert len(replayed.seconds) == 181
    assert (np.diff(replayed.seconds) > 0).all()
    assert (np.diff(replayed.best) >= 0).all()
    assert replayed.best[-1] == CURVES.dice[:, 1, -1].max()
    assert (replayed.regret(CURVES) >= 0).all()


def test_plans_that_the_table_lacks_cost_nothing() -> None:
    few = Curves(
        plans=CURVES.plans[:6], seeds=CURVES.seeds, steps=CURVES.steps, dice=CURVES.dice[:6], seconds=CURVES.seconds[:6]
    )
    replayed = replay(few, SPACE, RandomSearcher(SPACE, 0), trials=50, seed=0)
    assert len(replayed.seconds) == 6
    assert replayed.seconds[-1] == pytest.approx(few.seconds[:, 0, -1].sum())
