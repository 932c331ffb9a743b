"""Whether the order of arms is the same on several data sets: their interaction, with its interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan, sqrt

import pandas as pd
from scipy import stats

from reports.statistics.intervals import Interval, holm, verdict
from reports.wording import plural

Difference = Callable[[str, str], Interval]
"""The first arm less the second on one data set."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Of how many pairs of arms the order holds on every data set, turns between two, or cannot be told."""

    holds: int
    turns: tuple[tuple[str, str], ...]
    untold: int

    @property
    def sentence(self) -> str:
        """``The order holds``, ``turns`` or ``cannot be told``, with the numbers of pairs behind it."""
        counts = f"of {plural(self.holds + len(self.turns) + self.untold, 'pair')} of arms"
        if self.turns:
            named = "; ".join(f"{one} and {other}" for one, other in self.turns[:3])
            return f"The order turns for {len(self.turns)} {counts} ({named})."
        if self.untold:
            return f"Whether the order holds cannot be told for {self.untold} {counts}; it holds for {self.holds}."
        return f"The order holds for all {counts.removeprefix('of ')}."


def order_of(sets: Mapping[str, Difference], arms: Sequence[str]) -> Order:
    """The order of each two arms, by differences that are significant after Holm correction over pairs and sets."""
    pairs = list(combinations(arms, 2))
    intervals = [difference(*pair) for pair in pairs for difference in sets.values()]
    adjusted = holm([interval.p_value for interval in intervals])
    verdicts = [verdict(interval, float(p_holm)) for interval, p_holm in zip(intervals, adjusted, strict=True)]
    met = [set(verdicts[start : start + len(sets)]) for start in range(0, len(verdicts), len(sets))]
    turns = tuple(pair for pair, own in zip(pairs, met, strict=True) if {"higher", "lower"} <= own)
    holds = sum(own in ({"higher"}, {"lower"}) for own in met)
    return Order(holds=holds, turns=turns, untold=len(pairs) - holds - len(turns))


def interactions(sets: Mapping[str, Difference], arms: Sequence[str], baseline: str) -> pd.DataFrame:
    """How much an arm's difference to ``baseline`` changes from one data set to another: a row an arm and two sets.

    Data sets have neither subjects nor trainings in common, so that variances add; intervals are each at 95 %, with
    Satterthwaite's degrees of freedom, and conditional on the trained networks where an arm has one seed.
    """
    rows = []
    for arm in (arm for arm in arms if arm != baseline):
        differences = {name: difference(arm, baseline) for name, difference in sets.items()}
        for first, second in combinations(sets, 2):
            rows.append(
                {"arm": arm, "first": first, "second": second, **_change(differences[first], differences[second])}
            )
    return pd.DataFrame(rows, columns=["arm", "first", "second", "change", "low", "high", "limit"])


def _change(one: Interval, other: Interval) -> dict[str, object]:
    estimate, limit = one.estimate - other.estimate, one.limit or other.limit
    terms = [(i.standard_error**2, i.degrees_of_freedom) for i in (one, other)]
    variance = sum(value for value, _ in terms)
    if isnan(variance) or variance == 0 or any(isnan(degrees) for _, degrees in terms):
        return {"change": estimate, "low": nan, "high": nan, "limit": limit}
    degrees = variance**2 / sum(value**2 / own for value, own in terms)
    half = sqrt(variance) * float(stats.t.ppf(0.975, degrees))
    return {"change": estimate, "low": estimate - half, "high": estimate + half, "limit": limit}
