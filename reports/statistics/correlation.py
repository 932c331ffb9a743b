"""Agreement of two rankings of candidates."""

from math import nan

import pandas as pd
from scipy import stats

FEWEST_FOR_RANKS = 3


def rank_correlation(first: "pd.Series[float]", second: "pd.Series[float]") -> float:
    """Spearman's; NaN for fewer than three candidates or where all are equal."""
    if len(first) < FEWEST_FOR_RANKS or first.nunique() < 2 or second.nunique() < 2:
        return nan
    return float(stats.spearmanr(first, second).statistic)
