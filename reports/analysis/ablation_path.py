"""From one configuration of a search to another, one change at a time, over what was trained.

Source: Fawcett and Hoos 2016 (ablation analysis), which trains every neighbour and takes the best at each step. Here
nothing is trained: of all orders of the changes the path is the one with the fewest configurations that nobody trained,
and of those the one with the best mean gain. What is missing is shown as a gap, with what would have to be trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from reports.records.levels import word
from reports.records.plans import STAGES, canonical, operator_name

MOST_CHANGES = 10
"""Their orders pass through a thousand configurations."""
Values: TypeAlias = Mapping[str, Any]
Network: TypeAlias = tuple[tuple[str, str], ...]


def network(values: Values) -> Network:
    """What tells a configuration from others: without the operators of dead stages, and gates' settings without gates.

    Numbers and words are told apart, 1 and 1.0 are not.
    """
    live = dict(values)
    if plan := plan_of(live):
        dead = {f"plan.{stage}" for stage, symbol in zip(STAGES, canonical(plan), strict=True) if symbol == "-"}
        gated = "g" in canonical(plan)
        live = {n: v for n, v in live.items() if n not in dead and (gated or not n.startswith("gate."))}
    return tuple(sorted((name, repr(_plain(value))) for name, value in live.items()))


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plan_of(values: Values) -> str:
    """The plan of a configuration as a string, dead stages as they are written; empty where it has none."""
    written = "".join(str(values.get(f"plan.{stage}", "-")) for stage in STAGES)
    return written if any(name.startswith("plan.") for name in values) and len(written) == len(STAGES) else ""


def values_of(plan: str) -> dict[str, Any]:
    """The operators of a plan's live stages as a search writes them."""
    return {f"plan.{stage}": symbol for stage, symbol in zip(STAGES, plan, strict=True) if symbol != "-"}


def in_words(values: Values) -> str:
    """A configuration in short: its canonical plan, then the other settings."""
    plan = plan_of(values)
    others = [f"{name} {word(value)}" for name, value in values.items() if not name.startswith("plan.")]
    return ", ".join([*([canonical(plan)] if plan else []), *others])


def changes(start: Values, end: Values) -> list[str]:
    """The settings that differ and count in both; one that only one of them has changes nothing by itself."""
    return [name for name in start if name in end and repr(_plain(start[name])) != repr(_plain(end[name]))]


@dataclass(frozen=True)
class _Best:
    """The best order of a set of changes: configurations never trained, the sum of gains, the sets on the way."""

    gaps: int = 0
    gains: float = 0.0
    way: tuple[int, ...] = field(default=(0,))

    @property
    def rank(self) -> tuple[int, float, int]:
        return self.gaps, -self.gains / max(1, len(self.way) - self.gaps), len(self.way)


def ablation_path(start: Values, end: Values, gains: Mapping[Network, float]) -> pd.DataFrame:
    """The steps from ``start`` to ``end``: ``configuration``, ``change`` since the step before, ``gain`` (NaN: a gap).

    A change that leaves the network as it is, at a stage that is dead just then, is told with the next one that does
    not. ``values`` holds each configuration for whoever wants to train it.

    Raises:
        ValueError: more than ``MOST_CHANGES`` settings differ.
    """
    start, end = {**end, **start}, {**start, **end}
    names = changes(start, end)
    if len(names) > MOST_CHANGES:
        raise ValueError(f"ablation_path(): 'start' and 'end' must differ in {MOST_CHANGES} settings, got {len(names)}")
    points = [
        {name: end[name] if name in names and mask >> names.index(name) & 1 else value for name, value in start.items()}
        for mask in range(2 ** len(names))
    ]
    networks = [network(point) for point in points]
    best = {0: _begin(networks[0], gains)}
    for mask in range(1, len(points)):
        fewer = (mask ^ 1 << bit for bit in range(len(names)) if mask >> bit & 1)
        best[mask] = min(
            (_extend(best[subset], mask, networks, gains) for subset in fewer), key=lambda subset: subset.rank
        )
    rows: list[dict[str, Any]] = []
    for before, mask in pairwise((0, *best[len(points) - 1].way)):
        changed = [name for name in names if (before ^ mask) >> names.index(name) & 1]
        rows.append(
            {
                "configuration": in_words(_written(points[mask])),
                "change": ", ".join(_change(name, start[name], end[name]) for name in changed),
                "gain": gains.get(networks[mask], np.nan),
                "values": _written(points[mask]),
                "network": networks[mask],
            }
        )
    return pd.DataFrame(rows)


def _written(values: Values) -> dict[str, Any]:
    """A configuration without what does not count in it."""
    counted = {name for name, _ in network(values)}
    return {name: value for name, value in values.items() if name in counted}


def _begin(first: Network, gains: Mapping[Network, float]) -> _Best:
    return _Best(gaps=first not in gains, gains=gains.get(first, 0.0))


def _extend(before: _Best, mask: int, networks: list[Network], gains: Mapping[Network, float]) -> _Best:
    """A path with one change more; no step of its own where the network stays the same."""
    if networks[mask] == networks[before.way[-1]]:
        return before
    trained = networks[mask] in gains
    return _Best(
        gaps=before.gaps + (not trained), gains=before.gains + gains.get(networks[mask], 0.0), way=(*before.way, mask)
    )


def _change(name: str, old: Any, new: Any) -> str:
    if name.startswith("plan."):
        return f"stage {name.removeprefix('plan.')} {operator_name(old)} → {operator_name(new)}"
    return f"{name} {word(old)} → {word(new)}"
