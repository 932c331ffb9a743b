"""How sure the comparison of a study is: all pairs of arms, ranks over blocks, and what is behind their tables."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from reports.analysis.arms import MIXED, mixes, versions_of
from reports.analysis.comparison import Comparison
from reports.statistics import intervals as statistics
from reports.statistics.equivalence import equivalence, with_equivalence
from reports.statistics.ranking import (
    FEWEST_ARMS,
    FEWEST_BLOCKS,
    Friedman,
    friedman,
    mean_ranks,
    stability,
    wilcoxon_holm,
)
from reports.statistics.ranking_methods import rankings

# A fixed seed, so that the same records give the same report.
SEED = 20261122
COLUMNS = (
    "first", "second", "difference", "low", "high", "effect_size", "blocks", "seeds", "p_value", "p_holm",
    "p_equivalence", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Certainty:
    """What is worked out of a comparison when it is asked for."""

    comparison: Comparison

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return pairwise(self.comparison)

    @cached_property
    def arms(self) -> pd.DataFrame:
        """The arms that may be ranked, the best first: methods with a value, trained or not, of one version with the
        baseline."""
        arms = self.comparison.ranked_methods
        scored = arms[arms[self.comparison.metric.name].notna()]
        return scored[scored["difference_limit"] != MIXED]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means over seeds, one row per block and one column per arm, over the pairs that all the arms have."""
        arms = list(self.arms["arm"])
        names, means = self.comparison.blocks.named_means(arms) if arms else ([], [])
        return pd.DataFrame({arm: column.mean(axis=0) for arm, column in zip(arms, means, strict=True)}, index=names)

    @cached_property
    def friedman(self) -> Friedman:
        return friedman(self.table)

    @property
    def tested(self) -> bool:
        """Whether there are arms and blocks enough for tests on ranks."""
        return len(self.table) >= FEWEST_BLOCKS and self.table.shape[1] >= FEWEST_ARMS

    @cached_property
    def ranks(self) -> "pd.Series[float]":
        return mean_ranks(self.table, higher_is_better=self.comparison.metric.higher_is_better)

    @cached_property
    def wilcoxon(self) -> pd.DataFrame:
        return wilcoxon_holm(self.table)

    @cached_property
    def rankings(self) -> pd.DataFrame:
        """Each arm's rank by several ways of ranking; empty below two arms or two blocks."""
        if self.table.shape[1] < 2 or len(self.table) < 2:
            return pd.DataFrame()
        return rankings(self.table, self._wins, higher_is_better=self.comparison.metric.higher_is_better)

    @property
    def _wins(self) -> "pd.Series[float] | None":
        """Over how many arms each is significantly better; None where none is, or of some two no claim is made."""
        metric, pairs = self.comparison.metric, self.pairs
        if pairs["verdict"].str.startswith("no claim").any():
            return None
        winners = pairs["first"].where(pairs["verdict"] == metric.better)
        winners = winners.fillna(pairs["second"].where(pairs["verdict"] == metric.worse))
        wins = winners.value_counts().reindex(self.table.columns, fill_value=0).astype(float)
        return wins if wins.any() else None

    @cached_property
    def stability(self) -> pd.DataFrame:
        """Shares of ranks in the crossed bootstrap; empty below two arms or two blocks."""
        if self.table.shape[1] < 2 or len(self.table) < 2:
            return pd.DataFrame()
        arms = [str(arm) for arm in self.table]
        values = dict(zip(arms, self.comparison.blocks.means(arms), strict=True))
        higher = self.comparison.metric.higher_is_better
        return stability(values, higher_is_better=higher, generator=np.random.default_rng(SEED))


def pairwise(comparison: Comparison) -> pd.DataFrame:
    """A row for each two methods, trained or not: the better minus the other with its interval and what may be said.

    Seeds are crossed with blocks as against the baseline, but Holm correction is over all pairs of arms, so that
    fewer differences are significant.
    """
    arms = comparison.ranked_methods
    trained = dict(zip(arms["arm"], arms["trained"], strict=True))
    versions = versions_of(comparison.records)
    rows = []
    for first, second in combinations(arms["arm"], 2):
        first_means, second_means = comparison.blocks.means([first, second])
        interval = statistics.Interval(estimate=float("nan"), limit=MIXED)
        if not mixes(versions[first], versions[second]):
            interval = comparison.blocks.difference(
                first, second, first_trained=bool(trained[first]), second_trained=bool(trained[second])
            )
        effect = statistics.paired_effect(first_means, second_means)
        rows.append({"first": first, "second": second, "interval": interval, "effect_size": effect})
    adjusted = statistics.holm([row["interval"].p_value for row in rows])
    equivalent = equivalence([row["interval"] for row in rows], comparison.margin)
    return pd.DataFrame(
        [
            {
                **{name: row[name] for name in ("first", "second", "effect_size")},
                "difference": row["interval"].estimate,
                "low": row["interval"].low,
                "high": row["interval"].high,
                "blocks": row["interval"].blocks,
                "seeds": row["interval"].seeds,
                "p_value": row["interval"].p_value,
                "p_holm": p_holm,
                "p_equivalence": p_equivalence,
                "verdict": with_equivalence(statistics.verdict(row["interval"], p_holm), p_equivalence),
            }
            for row, p_holm, p_equivalence in zip(rows, adjusted, equivalent, strict=True)
        ],
        columns=list(COLUMNS),
    )


def square(pairs: pd.DataFrame, column: str, *, signed: bool) -> pd.DataFrame:
    """A column of ``pairwise`` as a table of arms by arms: row minus column where ``signed``, else both ways alike."""
    there = pairs.pivot(index="first", columns="second", values=column)
    back = there.T * (-1 if signed else 1)
    arms = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    return there.reindex(index=arms, columns=arms).combine_first(back.reindex(index=arms, columns=arms)).loc[arms, arms]
