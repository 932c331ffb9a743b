"""Each table of the report as one function, from a DataFrame of records (``reports.dataframe.load``) to a DataFrame.

``primary`` is the metric that arms are judged by, ``baseline`` the arm that they are compared with (default: the one
that the study names). All raise what ``reports.dataframe.comparison_of`` raises.
"""

import pandas as pd

from reports.analysis.datasets import across
from reports.analysis.significance import Certainty
from reports.analysis.structures import structure_means
from reports.dataframe import comparison_of
from reports.tables import arms as arm_tables
from reports.tables import cost as cost_tables
from reports.tables import groups
from reports.tables import significance as certainty_tables
from reports.tables import study as tables
from reports.tables.datasets import across_table


def overview(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """Every arm in one row: its scores with the interval of the primary one, parameters, FLOPs, latency, memory."""
    return arm_tables.overview(comparison_of(records, primary=primary)).numbers


def leaderboard(records: pd.DataFrame, *, primary: str = "dice", baseline: str | None = None) -> pd.DataFrame:
    """Mean, median, 0.3-quantile, spread between seeds and interval of every arm, the best of each group first."""
    return arm_tables.leaderboard(comparison_of(records, primary=primary, baseline=baseline)).numbers


def differences(
    records: pd.DataFrame, *, primary: str = "dice", baseline: str | None = None, margin: float | None = None
) -> pd.DataFrame:
    """Paired difference of every arm to the baseline: interval, effect size, p-values, verdict.

    ``margin``: below which a difference is of no practical importance; arms within it are called level.
    """
    return arm_tables.differences(comparison_of(records, primary=primary, baseline=baseline, margin=margin)).numbers


def significance(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """Every two arms that register: difference, interval, p-value after Holm correction over all of them, verdict."""
    return Certainty(comparison_of(records, primary=primary)).pairs


def ranks(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """Mean rank of every trained arm over blocks, and its ranks in a crossed bootstrap of blocks and seeds."""
    return certainty_tables.ranks(Certainty(comparison_of(records, primary=primary))).numbers


def robustness(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """Rank of each arm by several ways of ranking: from means, from ranks of each block, from tests."""
    return certainty_tables.robustness(Certainty(comparison_of(records, primary=primary))).numbers


def wilcoxon(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """p-values of Wilcoxon's test on block means after Holm correction, arms by arms; of these trained networks."""
    return Certainty(comparison_of(records, primary=primary)).wilcoxon


def side_by_side(records: pd.DataFrame, *, primary: str = "dice", baseline: str | None = None) -> pd.DataFrame:
    """Strategies that are in several groups: unmatched, matched by parameters, matched by FLOPs."""
    return groups.side_by_side(comparison_of(records, primary=primary, baseline=baseline)).numbers


def regularity(records: pd.DataFrame) -> pd.DataFrame:
    """Surface distances, folding and smoothness of every arm, with intervals."""
    return cost_tables.regularity(comparison_of(records)).numbers


def cost(records: pd.DataFrame, *, baseline: str | None = None) -> pd.DataFrame:
    """Parameters, FLOPs, latency and memory of every arm, with ratios to the baseline."""
    return cost_tables.cost(comparison_of(records, baseline=baseline)).numbers


def seeds(records: pd.DataFrame) -> pd.DataFrame:
    """Mean over pairs of every metric, of each trained network."""
    return tables.seeds(comparison_of(records)).numbers


def structures(labels: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice by arm and structure, from records by label (``load(..., kind="labels")``)."""
    return structure_means(labels)


def across_datasets(records: pd.DataFrame, *, primary: str = "dice") -> pd.DataFrame:
    """Mean and rank of each arm on each data set and its mean rank, of one study's records on several data sets.

    Raises:
        ValueError: the records are of fewer than two data sets.
    """
    comparisons = [comparison_of(part, primary=primary) for _, part in records.groupby("dataset", sort=False)]
    joined = across(comparisons, name="records")
    if not joined:
        raise ValueError(f"across_datasets(): 'records' must be of several data sets, got {len(comparisons)}")
    return across_table(joined[0]).numbers
