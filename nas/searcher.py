"""What decides which points a search tries: the contract, and the searchers that need no engine.

A searcher holds nothing that the records do not: adopting the known points in their order rebuilds it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from fusemorph.configuration import canonical_json
from nas.space import Space, Values

State = Literal["finished", "pruned", "failed", "refused"]
GRID_LIMIT = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a point has ended.

    ``values``: of a finished one alone, one per objective, each in its own direction. ``intermediate``: the objective
    by step, where there is one. ``refused``: a constraint ruled the point out before it was trained.
    """

    state: State
    values: tuple[float, ...] = ()
    intermediate: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.state == "finished") != bool(self.values):
            raise ValueError(f"Outcome(): 'values' belong to finished points alone, got {self.values}, {self.state}")
        if not all(math.isfinite(value) for value in (*self.values, *self.intermediate.values())):
            raise ValueError(f"Outcome(): values must be finite, got {self.values} and {dict(self.intermediate)}")


class Searcher(ABC):
    """Proposes points of a space, and learns how they end. It knows the points that were asked or adopted."""

    @abstractmethod
    def ask(self) -> Values | None:
        """A point to try, which is open from now on; perhaps one that is known. None when every point is known."""

    @abstractmethod
    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        """Take in a point of the records, or one that somebody else chose: ended, or open where there is no outcome."""

    @abstractmethod
    def tell(self, values: Values, outcome: Outcome) -> None:
        """An open point has ended; if it was asked several times, all of them have."""


class _Uninformed(Searcher):
    """A searcher that does not care how points end."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed
        self._seen: set[str] = set()

    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        self._seen.add(point_key(self.space.fit(values)))

    def tell(self, values: Values, outcome: Outcome) -> None:
        pass


class GridSearcher(_Uninformed):
    """Every point once, in an order that the seed shuffles, so that any beginning of it is a sample of the space.

    Raises:
        ValueError: the space has a range, or more points than a list should hold.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        size = space.size()
        if size is None or size > GRID_LIMIT:
            got = "ranges" if size is None else f"{size} points"
            raise ValueError(f"GridSearcher(): 'space' must have no range and {GRID_LIMIT} points at most, got {got}")

    @cached_property
    def _order(self) -> Iterator[Values]:
        points = list(self.space.points())
        return (points[i] for i in np.random.default_rng(self.seed).permutation(len(points)))

    def ask(self) -> Values | None:
        values = next((values for values in self._order if point_key(values) not in self._seen), None)
        if values is not None:
            self._seen.add(point_key(values))
        return values


class RandomSearcher(_Uninformed):
    """Points drawn at random, plans uniformly over the canonical ones; none twice."""

    def ask(self) -> Values | None:
        if len(self._seen) == self.space.size():
            return None
        rng = np.random.default_rng((self.seed, len(self._seen)))
        while point_key(values := self.space.sample(rng)) in self._seen:
            pass
        self._seen.add(point_key(values))
        return values


def point_key(values: Values) -> str:
    """What equal points have in common."""
    return canonical_json(values)
