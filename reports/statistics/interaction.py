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
"""The first arm less the second on one data set; ``limit`` is ``NO_RESULT`` where one of the two has none there."""

NO_RESULT = "no result"


@dataclass(frozen=True, kw_only=True)
class Order:
    """Of how many pairs of arms the order holds, is reversed between two data sets, or is undecided.

    A data set on which no claim can be made of a pair, for want of seeds, decides nothing about it; two that can are
    needed.
    """

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
        if self.undecided and not self.holds:
            every = "" if self.undecided == 1 else "all "
            return f"Whether the order holds is undecided for {every}{counts.removeprefix('of ')}."
        if self.undecided:
            return f"Whether the order holds is undecided for {self.undecided} {counts}; it holds for {self.holds}."
        if not self.holds:
            return "No two arms have a result on two data sets, so that there is no order to compare."
        return f"The order holds for all {counts.removeprefix('of ')}."


def order_of(sets: Mapping[str, Difference], arms: Sequence[str]) -> Order:
    """The order of each two arms, by differences that are significant after Holm correction over pairs and sets."""
    found = {
        pair: intervals
        for pair in combinations(arms, 2)
        if len(intervals := [i for difference in sets.values() if (i := difference(*pair)).limit != NO_RESULT]) > 1
    }
    every = [interval for intervals in found.values() for interval in intervals]
    verdicts = iter(map(verdict, every, map(float, holm([interval.p_value for interval in every]))))
    met = {pair: [next(verdicts) for _ in intervals] for pair, intervals in found.items()}
    decided = {pair: [words for words in of_pair if not words.startswith("no claim")] for pair, of_pair in met.items()}
    reversed_pairs = tuple(pair for pair, of_pair in decided.items() if {"higher", "lower"} <= set(of_pair))
    holds = sum(len(of_pair) > 1 and set(of_pair) in ({"higher"}, {"lower"}) for of_pair in decided.values())
    return Order(holds=holds, reversed_pairs=reversed_pairs, undecided=len(met) - holds - len(reversed_pairs))


def interactions(sets: Mapping[str, Difference], arms: Sequence[str], baseline: str) -> pd.DataFrame:
    """How much an arm's difference to ``baseline`` changes from one data set to another: one row per arm and two sets.

    Data sets have neither subjects nor trainings in common, so that variances add; intervals are each at 95 %, with
    Satterthwaite's degrees of freedom, and conditional on the trained networks where an arm has one seed.
    """
    rows = []
    for arm in (arm for arm in arms if arm != baseline):
        differences = {name: difference(arm, baseline) for name, difference in sets.items()}
        having = [name for name, interval in differences.items() if interval.limit != NO_RESULT]
        for first, second in combinations(having, 2):
            rows.append(
                {"arm": arm, "first": first, "second": second, **_change(differences[first], differences[second])}
            )
    return pd.DataFrame(rows, columns=["arm", "first", "second", "change", "low", "high", "limit"])


def _change(first: Interval, second: Interval) -> dict[str, object]:
    limits = (first.limit, second.limit)
    estimate, limit = first.estimate - second.estimate, "one seed" if "one seed" in limits else max(limits)
    terms = [(i.standard_error**2, i.degrees_of_freedom) for i in (first, second)]
    variance = sum(value for value, _ in terms)
    if isnan(variance) or variance == 0 or any(isnan(degrees) for _, degrees in terms):
        return {"change": estimate, "low": nan, "high": nan, "limit": limit}
    degrees = variance**2 / sum(value**2 / number for value, number in terms)
    half = sqrt(variance) * float(stats.t.ppf(0.975, degrees))
    return {"change": estimate, "low": estimate - half, "high": estimate + half, "limit": limit}
