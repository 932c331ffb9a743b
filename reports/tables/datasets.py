"""One study on several data sets: what its arms score on each, and their ranks."""

import pandas as pd

from reports.analysis.datasets import Across, tested
from reports.tables.table import Table
from reports.wording import listing, number


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
        f"Interaction of arm and data set: by how much an arm's difference to the baseline, in mean "
        f"{study.metric.label}, changes. Intervals are each at 95 % by itself. {study.order.sentence}"
    )
    if (changes["limit"] == "one seed").any():
        text += " † Over blocks alone, conditional on one trained network."
    return Table(title="Interaction of arm and data set", caption=text, numbers=changes, shown=shown.astype(str))


def across_table(study: Across) -> Table:
    """Mean and rank of each arm on each data set, and its mean rank."""
    ranks = study.means.rank(axis=1, ascending=not study.metric.higher_is_better)
    order = list(study.ranks.sort_values(kind="stable").index)
    numbers = study.means.T.add_prefix("mean_").join(ranks.T.add_prefix("rank_")).assign(mean_rank=study.ranks)
    numbers = numbers.loc[order].rename_axis("arm").reset_index()
    shown = pd.DataFrame({"Arm": order})
    for dataset in study.means.index:
        scores = zip(study.means.loc[dataset, order], ranks.loc[dataset, order], strict=True)
        shown[str(dataset)] = [f"{study.metric.number(mean)} ({rank:g})" for mean, rank in scores]
    shown["Mean rank"] = [number(rank, 2) for rank in study.ranks[order]]
    text = (
        f"Mean {study.metric.label} over blocks and seeds, and in brackets the rank among the arms that every "
        f"data set has; 1 is the best. {tested(study)}"
    )
    if study.left_out:
        text += f" Without a result on one of them, and left out: {listing(list(study.left_out))}."
    return Table(title="Ranks across data sets", caption=text, numbers=numbers, shown=shown)
