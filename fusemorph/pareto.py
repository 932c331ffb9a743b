"""Several objectives at once: the Pareto front of a set of points, and the volume that they dominate. No torch."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Direction = Literal["maximize", "minimize"]


def front(values: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[int]:
    """Which of the points no other one dominates: at least as good in every objective and better in one.

    A point that lacks a value (NaN) is on no front and dominates none.
    """
    costs = _as_costs(values, directions)
    return [
        i
        for i, cost in enumerate(costs)
        if not np.isnan(cost).any() and not any((other <= cost).all() and (other < cost).any() for other in costs)
    ]


def hypervolume(
    values: Sequence[Sequence[float]], directions: Sequence[Direction], *, reference: Sequence[float]
) -> float:
    """Volume that the points dominate up to the reference, by slicing along the last objective."""
    costs = _as_costs(values, directions)
    limit = _as_costs([reference], directions)[0]
    return _volume([cost for cost in costs if (cost < limit).all()], limit)


def _as_costs(values: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[np.ndarray]:
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    return [signs * np.asarray(point, dtype=float) for point in values]


def _volume(costs: list[np.ndarray], limit: np.ndarray) -> float:
    if not costs:
        return 0.0
    if len(limit) == 1:
        return float(limit[0] - min(cost[0] for cost in costs))
    ordered = sorted(costs, key=lambda cost: float(cost[-1]))
    ends = [*(float(cost[-1]) for cost in ordered[1:]), float(limit[-1])]
    slices = zip(range(1, len(ordered) + 1), ordered, ends, strict=True)
    return sum(
        (end - float(cost[-1])) * _volume([other[:-1] for other in ordered[:count]], limit[:-1])
        for count, cost, end in slices
        if end > cost[-1]
    )
