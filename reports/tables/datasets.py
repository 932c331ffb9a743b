"""One study on several data sets: what its arms score on each, and their ranks."""

from math import isnan

import pandas as pd

from reports.analysis.datasets import Across, elsewhere, tested
from reports.tables.table import Table
from reports.wording import number


def interaction_table(study: Across) -> Table:
    """How each arm's difference to the baseline changes between data sets, with intervals."""
    changes = study.interactions
    shown = pd.DataFrame(
        {
            "Arm": changes["arm"],
            "From": changes["second"],
            "To": changes["first"],
            "Change": [study.metric.number(value, signed=True) for value in changes["change"]],
            "95 % interval": [
                study.metric.between(low, high, signed=True) + (" †" if limit == "one seed" else "")
                for low, high, limit in zip(changes["low"], changes["high"], changes["limit"], strict=True)
            ],
        }
    )
    text = (
        f"By how much an arm's difference to {next(iter(study.sets.values())).baseline}, in mean {study.metric.label}, "
        f"changes from one data set to another. Intervals are each at 95 % by itself. {study.order.sentence}"
    )
    if (changes["limit"] == "one seed").any():
        text += " † Over blocks alone, conditional on one trained network."
    return Table(title="Interaction of arm and data set", caption=text, numbers=changes, shown=shown.astype(str))


def across_table(study: Across) -> Table:
    """Mean and rank of each arm on each data set, and its mean rank where all data sets have it."""
    shared, metric = study.shared, study.metric
    ranks = shared.rank(axis=1, ascending=not metric.higher_is_better).reindex(columns=study.means.columns)
    mean_rank = study.ranks.reindex(study.means.columns)
    order = list(mean_rank.sort_values(kind="stable").index)
    numbers = study.means.T.add_prefix("mean_").join(ranks.T.add_prefix("rank_")).assign(mean_rank=mean_rank)
    numbers = numbers.loc[order].rename_axis("arm").reset_index()
    shown = pd.DataFrame({"Arm": order})
    for dataset in study.means.index:
        scores = zip(study.means.loc[dataset, order], ranks.loc[dataset, order], strict=True)
        shown[str(dataset)] = [_score(study, mean, rank) for mean, rank in scores]
    shown["Mean rank"] = ["" if isnan(rank) else number(rank, 2) for rank in mean_rank[order]]
    text = (
        f"Mean {metric.label} over blocks and seeds, and in brackets the rank among the arms that every data set has; "
        f"1 is the best. {tested(study)}"
    )
    return Table(title="Ranks across data sets", caption=text + elsewhere(study), numbers=numbers, shown=shown)


def _score(study: Across, mean: float, rank: float) -> str:
    if isnan(mean):
        return "no result"
    return study.metric.number(mean) + ("" if isnan(rank) else f" ({rank:g})")
