"""Searches replayed on a table of trained plans, in simulated time: what each would have found, without training.

A replay is one worker. It asks its searcher for a plan, spends the seconds that the table says, and tells the searcher
what it would have seen by then: nothing of a plan before it was trained, and of a stopped one the beginning alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from nas.searcher import Outcome, Searcher, point_key
from nas.space import Space
from nas.table import Curves

RUNG_SHARES = (1 / 2, 3 / 4)
"""Of the steps, as ``nas.successive_halving`` judges."""
REDUCTION = 2
PATIENCE = 1000
"""Proposals in a row that are known or not in the table, before a replay ends."""
Make = Callable[[int], Searcher]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One search: after each trial the ``seconds`` so far, the best val Dice seen at the last step (NaN before the
    first), and the ``plan`` that has it, as its place in the table (-1 before the first)."""

    seconds: NDArray[np.float64]
    best: NDArray[np.float64]
    plan: NDArray[np.int64]

    def regret(self, curves: Curves) -> NDArray[np.float64]:
        """How much Dice the chosen plan is below the table's best, both as means over all seeds of the table."""
        chosen = np.where(self.plan >= 0, curves.final[self.plan], np.nan)
        return np.asarray(curves.final.max() - chosen, dtype=np.float64)


class _Halving:
    """Which trials stop at a rung: those that are not among the best half of all that have come to it by then."""

    def __init__(self, steps: Sequence[int]) -> None:
        self._reached: dict[int, list[float]] = {
            min(range(len(steps)), key=lambda i, share=share: abs(steps[i] - share * steps[-1])): []  # type: ignore[misc]
            for share in RUNG_SHARES
        }

    def stops(self, place: int, dice: float) -> bool:
        reached = self._reached.get(place)
        if reached is None:
            return False
        reached.append(dice)
        ordered = sorted(reached, reverse=True)
        return len(ordered) >= REDUCTION and dice < ordered[len(ordered) // REDUCTION - 1]


def replay(
    curves: Curves, space: Space, searcher: Searcher, *, trials: int, seed: int, halving: bool = False
) -> Replayed:
    """Run a search of so many distinct plans on the trainings of one ``seed`` (its place) of the table.

    Plans that the table lacks are refused at no cost, and known ones told again. It ends early where the searcher has
    nothing new. ``halving``: weak trials are stopped at half and three quarters of the steps.
    """
    return _replay(curves, _places(curves, space), searcher, trials=trials, seed=seed, halving=halving)


def _places(curves: Curves, space: Space) -> dict[str, int]:
    """The place of each plan in the table, by its point."""
    return {point_key(space.point_of(plan)): i for i, plan in enumerate(curves.plans)}


def _replay(
    curves: Curves, place: Mapping[str, int], searcher: Searcher, *, trials: int, seed: int, halving: bool
) -> Replayed:
    ended: dict[int, Outcome] = {}
    rule, clock, best, chosen = (_Halving(curves.steps) if halving else None), 0.0, np.nan, -1
    rows: list[tuple[float, float, int]] = []
    idle = 0
    while len(rows) < min(trials, len(place)) and idle < PATIENCE and (values := searcher.ask()) is not None:
        i = place.get(point_key(values))
        if i is None or i in ended:
            searcher.tell(values, Outcome(state="refused") if i is None else ended[i])
            idle += 1
            continue
        idle = 0
        ended[i], seconds = _train(curves, i, seed, rule)
        clock += seconds
        searcher.tell(values, ended[i])
        if ended[i].values and not ended[i].values[0] <= best:
            best, chosen = ended[i].values[0], i
        rows.append((clock, best, chosen))
    times, found, plans = zip(*rows, strict=True) if rows else ((), (), ())
    return Replayed(seconds=np.array(times), best=np.array(found), plan=np.array(plans, dtype=np.int64))


def _train(curves: Curves, plan: int, seed: int, rule: _Halving | None) -> tuple[Outcome, float]:
    """How the training of a plan ends, and the seconds until then."""
    seen: dict[int, float] = {}
    for k, step in enumerate(curves.steps):
        seen[step] = float(curves.dice[plan, seed, k])
        if rule is not None and k < len(curves.steps) - 1 and rule.stops(k, seen[step]):
            return Outcome(state="pruned", intermediate=seen), float(curves.seconds[plan, seed, k])
    return Outcome(state="finished", values=(seen[curves.steps[-1]],), intermediate=seen), float(
        curves.seconds[plan, seed, -1]
    )


def replay_many(
    curves: Curves, space: Space, make: Make, *, repeats: int, trials: int, halving: bool = False, seed: int = 0
) -> list[Replayed]:
    """So many searches, each by a searcher of its own on the trainings of one seed, the seeds of the table in turn."""
    place = _places(curves, space)
    return [
        _replay(curves, place, make(seed + i), trials=trials, seed=i % len(curves.seeds), halving=halving)
        for i in range(repeats)
    ]


def expected_best(values: NDArray[np.float64], trials: int) -> NDArray[np.float64]:
    """What random search without replacement has as its best after 1, 2, ... ``trials`` draws, in expectation.

    The i-th smallest of N values is the largest of n drawn with probability C(i - 1, n - 1) / C(N, n).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    return np.array(
        [
            sum(value * (comb(i, n - 1) / comb(count, n)) for i, value in enumerate(ordered))
            for n in range(1, min(trials, count) + 1)
        ]
    )
