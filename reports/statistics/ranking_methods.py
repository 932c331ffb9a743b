"""How far a ranking rests on the way in which it is made: from means, from ranks of each block, or from tests.

Source: Wiesenfarth et al. 2021, Methods and open-source toolkit for analyzing and visualizing challenge results,
Scientific Reports 11:2369 (challengeR).
"""

import pandas as pd

MEAN, MEDIAN = "Mean, then rank", "Median, then rank"
RANK_MEAN, RANK_MEDIAN = "Rank, then mean", "Rank, then median"
TESTS = "Significant wins"


def rankings(table: pd.DataFrame, wins: "pd.Series[float] | None", *, higher_is_better: bool) -> pd.DataFrame:
    """Rank of each arm, 1 the best and ties sharing the better one: one row per arm, one column per method.

    ``table``: one row per block, one column per arm. ``wins``: over how many arms each is significantly better, if
    tests may be made; more are better.
    """
    within = table.rank(axis=1, ascending=not higher_is_better)
    towards = -1.0 if higher_is_better else 1.0
    scores = {
        MEAN: towards * table.mean(),
        MEDIAN: towards * table.median(),
        RANK_MEAN: within.mean(),
        RANK_MEDIAN: within.median(),
    }
    if wins is not None:
        scores[TESTS] = -wins.reindex(table.columns)
    # Means of the same numbers in another order differ in their last bits.
    return pd.DataFrame(scores).round(12).rank(method="min").astype(int)


def agreement(ranks: pd.DataFrame) -> "pd.Series[float]":
    """Kendall's tau-b of each method's ranking with that of the first; NaN where one ranks all arms alike."""
    first = ranks.iloc[:, 0]
    return pd.Series({name: float(first.corr(ranks[name], method="kendall")) for name in ranks})
