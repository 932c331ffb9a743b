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
    """Of how many pairs of arms the order holds on every data set, is reversed between two, or is undecided."""

    holds: int
    reversed_pairs: tuple[tuple[str, str], ...]
    undecided: int

    @property
    def sentence(self) -> str:
        """``The order holds``, ``is reversed`` or ``is undecided``, with the numbers of pairs behind it."""
        counts = f"of {plural(self.holds + len(self.reversed_pairs) + self.undecided, 'pair')} of arms"
        if self.reversed_pairs:
            named = "; ".join(f"{first} and {second}" for first, second in self.reversed_pairs[:3])
            return f"The order is reversed for {len(self.reversed_pairs)} {counts} ({named})."
        if self.undecided:
            return f"Whether the order holds is undecided for {self.undecided} {counts}; it holds for {self.holds}."
        return f"The order holds for all {counts.removeprefix('of ')}."


def order_of(sets: Mapping[str, Difference], arms: Sequence[str]) -> Order:
    """The order of each two arms, by differences that are significant after Holm correction over pairs and sets."""
    pairs = list(combinations(arms, 2))
    intervals = [difference(*pair) for pair in pairs for difference in sets.values()]
    adjusted = holm([interval.p_value for interval in intervals])
    verdicts = [verdict(interval, float(p_holm)) for interval, p_holm in zip(intervals, adjusted, strict=True)]
    met = [set(verdicts[start : start + len(sets)]) for start in range(0, len(verdicts), len(sets))]
    reversed_pairs = tuple(pair for pair, of_pair in zip(pairs, met, strict=True) if {"higher", "lower"} <= of_pair)
    holds = sum(of_pair in ({"higher"}, {"lower"}) for of_pair in met)
    return Order(holds=holds, reversed_pairs=reversed_pairs, undecided=len(pairs) - holds - len(reversed_pairs))


def interactions(sets: Mapping[str, Difference], arms: Sequence[str], baseline: str) -> pd.DataFrame:
    """How much an arm's difference to ``baseline`` changes from one data set to another: one row per arm and two sets.

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


def _change(first: Interval, second: Interval) -> dict[str, object]:
    estimate, limit = first.estimate - second.estimate, first.limit or second.limit
    terms = [(i.standard_error**2, i.degrees_of_freedom) for i in (first, second)]
    variance = sum(value for value, _ in terms)
    if isnan(variance) or variance == 0 or any(isnan(degrees) for _, degrees in terms):
        return {"change": estimate, "low": nan, "high": nan, "limit": limit}
    degrees = variance**2 / sum(value**2 / number for value, number in terms)
    half = sqrt(variance) * float(stats.t.ppf(0.975, degrees))
    return {"change": estimate, "low": estimate - half, "high": estimate + half, "limit": limit}
