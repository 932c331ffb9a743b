"""Intervals of differences that hold for all comparisons at once."""

import numpy as np
import pandas as pd
from scipy import stats

ERROR = 0.05


def with_simultaneous(arms: pd.DataFrame, family: pd.DataFrame) -> pd.DataFrame:
    """``arms`` with ``simultaneous_low`` and ``simultaneous_high``: Student's intervals after Bonferroni's correction
    over the comparisons of ``family``; NaN where there is no interval.
    """
    comparisons = max(1, int(family["difference_se"].notna().sum()))
    quantile = stats.t.ppf(1 - ERROR / (2 * comparisons), arms["difference_df"].astype(float))
    reach = np.asarray(quantile) * arms["difference_se"].astype(float)
    low, high = arms["difference"] - reach, arms["difference"] + reach
    return arms.assign(simultaneous_low=low, simultaneous_high=high)
