"""Ranks of arms over blocks: Friedman's test, Wilcoxon's with Holm correction, and how stable the ranking is.

Friedman and Wilcoxon take an arm's mean over seeds in a block as given. They are conditional on these trained networks:
they say nothing of how the ranking would turn out with other trainings, and no winner is named by them.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import comb, nan

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.blocks import Values
from reports.statistics.intervals import holm

FEWEST_ARMS = 3
# Below six blocks no Wilcoxon test of two arms reaches 0.05.
FEWEST_BLOCKS = 6
RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Friedman's test over blocks; ``reason`` says why there is none."""

    statistic: float = nan
    p_value: float = nan
    arms: int
    blocks: int
    reason: str = ""


def friedman(table: pd.DataFrame, *, unit: str = "block") -> Friedman:
    """Friedman's test of ``table``, one row per block (or another ``unit``) and one column per arm."""
    blocks, arms = table.shape
    reason = ""
    if arms < FEWEST_ARMS:
        reason = f"it needs {FEWEST_ARMS} arms, there are {arms}"
    elif blocks < FEWEST_BLOCKS:
        reason = f"it needs {FEWEST_BLOCKS} {unit}s, there are {blocks}"
    elif (table.nunique(axis=1) == 1).all():
        reason = f"all arms are equal in every {unit}"
    if reason:
        return Friedman(arms=arms, blocks=blocks, reason=reason)
    result = stats.friedmanchisquare(*table.to_numpy().T)
    return Friedman(statistic=float(result.statistic), p_value=float(result.pvalue), arms=arms, blocks=blocks)


def mean_ranks(table: pd.DataFrame, *, higher_is_better: bool) -> "pd.Series[float]":
    """Each arm's rank in a block, 1 for the best, ties shared, mean over blocks."""
    return table.rank(axis=1, ascending=not higher_is_better).mean()


def wilcoxon_holm(table: pd.DataFrame) -> pd.DataFrame:
    """p-values of Wilcoxon's signed-rank test of each two columns over the rows, after Holm correction.

    Two columns that are equal in every row have p = 1.
    """
    import scikit_posthocs

    melted = table.melt(var_name="arm", value_name="value")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that are equal everywhere
        raw = scikit_posthocs.posthoc_wilcoxon(melted, val_col="value", group_col="arm").fillna(1.0).to_numpy()
    upper = np.triu_indices(len(raw), 1)
    adjusted = np.ones_like(raw)
    adjusted[upper] = holm(raw[upper])
    adjusted.T[upper] = adjusted[upper]
    return pd.DataFrame(adjusted, index=list(table.columns), columns=list(table.columns))


def least_p(blocks: int, arms: int) -> float:
    """The smallest p-value that Wilcoxon's test can give over so many blocks after Holm correction."""
    return min(1.0, comb(arms, 2) * 2.0 ** (1 - blocks))


def stability(
    values: Mapping[str, Values],
    *,
    higher_is_better: bool,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """How often each arm takes each rank when blocks and seeds are resampled: one row per arm, one column per rank.

    ``values`` are tables ``(seeds, blocks)`` over the same blocks. Blocks are drawn for all arms together, seeds for
    each arm by itself (a crossed bootstrap). Equal arms share their ranks. This is no test.
    """
    blocks = next(iter(values.values())).shape[1]
    counts = _resample_counts(generator, resamples, blocks)
    means = np.stack([_resampled(table, counts, generator) for table in values.values()], axis=1)
    goodness = -means if higher_is_better else means
    least, most = (stats.rankdata(goodness, method=method, axis=1) for method in ("min", "max"))
    ranks = np.arange(1, len(values) + 1)
    inside = (least[..., None] <= ranks) & (ranks <= most[..., None])
    shares = (inside / (most - least + 1)[..., None]).mean(axis=0)
    return pd.DataFrame(shares, index=list(values), columns=ranks)


def _resampled(table: Values, counts: Values, generator: np.random.Generator) -> Values:
    seeds = _resample_counts(generator, len(counts), table.shape[0])
    return np.asarray(np.sum((seeds @ table) * counts, axis=1))


def _resample_counts(generator: np.random.Generator, resamples: int, size: int) -> Values:
    """Weights ``(resamples, size)`` of what a draw with replacement takes, summing to one."""
    return generator.multinomial(size, np.full(size, 1 / size), size=resamples) / size
