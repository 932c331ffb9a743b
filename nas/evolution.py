"""Regularised evolution: the best of a few young points, changed at one place.

Source: Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search", AAAI, with populations and
samples for searches of tens of trials.
"""

from collections.abc import Sequence

import numpy as np

from fusemorph.pareto import Direction
from nas.parameter import Choice, Parameter, Value
from nas.searcher import Outcome, Searcher, point_key
from nas.space import Space, Values

POPULATION = 10
"""So many points are drawn at random first, and so many of the youngest finished ones may have children."""
SAMPLED = 4
"""So many of them are drawn, and the best is the parent."""
PATIENCE = 100
"""Children in a row that are known before a point is drawn at random instead."""


class EvolutionSearcher(Searcher):
    """Children of the population's best, each with one parameter changed: one stage, of a plan.

    A changed stage takes another operator; stages that this brings to life take theirs at random, stages that it cuts
    off are gone, so that every child is another network. A finished point's age is the place at which it was proposed;
    stopped, failed and refused ones have no children. ``first``: points that are tried before any is drawn.

    Raises:
        ValueError: there are several objectives.
    """

    def __init__(
        self, space: Space, *, directions: tuple[Direction, ...], seed: int, first: Sequence[Values] = ()
    ) -> None:
        if len(directions) != 1:
            raise ValueError(
                f"EvolutionSearcher(): 'directions' must be of one objective, got {len(directions)}; nsga2 takes "
                "several"
            )
        self.space, self.seed, self._first = space, seed, tuple(space.fit(values) for values in first)
        self._better = max if directions[0] == "maximize" else min
        self._points: dict[str, Values] = {}
        self._scores: dict[str, float] = {}

    def ask(self) -> Values | None:
        if len(self._points) == self.space.size():
            return None
        rng = np.random.default_rng((self.seed, len(self._points)))
        values = self._child(rng) or self._drawn(rng)
        self._points[point_key(values)] = values
        return values

    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        fitted = self.space.fit(values)
        self._points.setdefault(point_key(fitted), fitted)
        if outcome is not None:
            self.tell(fitted, outcome)

    def tell(self, values: Values, outcome: Outcome) -> None:
        if outcome.values:
            self._scores[point_key(self.space.fit(values))] = outcome.values[0]

    def _drawn(self, rng: np.random.Generator) -> Values:
        for values in self._first:
            if point_key(values) not in self._points:
                return values
        while point_key(values := self.space.sample(rng)) in self._points:
            pass
        return values

    def _child(self, rng: np.random.Generator) -> Values | None:
        """A child that is not known yet; None while too few points have finished, or where all are known."""
        finished = [key for key in self._points if key in self._scores]  # in the order of their proposal
        if len(finished) < POPULATION:
            return None
        for _ in range(PATIENCE):
            sampled = rng.choice(finished[-POPULATION:], size=SAMPLED, replace=False)
            parent = self._points[self._better(map(str, sampled), key=self._scores.__getitem__)]
            child = mutate(self.space, parent, rng)
            if child is not None and point_key(child) not in self._points:
                return child
        return None


def mutate(space: Space, parent: Values, rng: np.random.Generator) -> Values | None:
    """The point with one of its active parameters changed; None where none of them can take another value."""
    choices = [p for p in space.every_parameter() if p.name in parent and not _is_fixed(p)]
    if not choices:
        return None
    changed = choices[int(rng.integers(len(choices)))]

    def choose(parameter: Parameter) -> Value:
        if parameter.name == changed.name:
            return _another(parameter, parent[parameter.name], rng)
        return parent[parameter.name] if parameter.name in parent else parameter.draw(rng)

    return space.walk(choose)


def _is_fixed(parameter: Parameter) -> bool:
    return isinstance(parameter, Choice) and len(parameter.values) == 1


def _another(parameter: Parameter, value: Value, rng: np.random.Generator) -> Value:
    if not isinstance(parameter, Choice):
        return parameter.draw(rng)
    others = [other for other in parameter.values if other != value]
    return others[int(rng.integers(len(others)))]
