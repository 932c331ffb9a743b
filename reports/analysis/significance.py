"""How sure the comparison of a study is: all pairs of arms, ranks over blocks, and what is behind their tables."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from reports.analysis.comparison import Comparison
from reports.analysis.pairwise import pairwise
from reports.statistics.ranking import (
    FEWEST_ARMS,
    FEWEST_BLOCKS,
    Friedman,
    friedman,
    mean_ranks,
    stability,
    wilcoxon_holm,
)

# A fixed seed, so that the same records give the same report.
SEED = 20261122


@dataclass(frozen=True)
class Certainty:
    """What is worked out of a comparison when it is asked for."""

    comparison: Comparison

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return pairwise(self.comparison)

    @cached_property
    def arms(self) -> pd.DataFrame:
        """The arms that may be ranked: trained ones with a value, of one version with the baseline."""
        arms = self.comparison.trained
        known = arms[arms[self.comparison.metric.name].notna()]
        return known[known["difference_limit"] != "mixed versions"]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means over seeds, a row a block and a column an arm, over the pairs that all the arms have."""
        arms = list(self.arms["arm"])
        names, means = self.comparison.blocks.named_means(arms) if arms else ([], [])
        return pd.DataFrame({arm: own.mean(axis=0) for arm, own in zip(arms, means, strict=True)}, index=names)

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
    def stability(self) -> pd.DataFrame:
        """Shares of ranks in the crossed bootstrap; empty below two arms or two blocks."""
        if self.table.shape[1] < 2 or len(self.table) < 2:
            return pd.DataFrame()
        arms = [str(arm) for arm in self.table]
        values = dict(zip(arms, self.comparison.blocks.means(arms), strict=True))
        higher = self.comparison.metric.higher_is_better
        return stability(values, higher_is_better=higher, generator=np.random.default_rng(SEED))
