"""The same strategies in several groups side by side: unmatched, matched by parameters, matched by FLOPs."""

from math import isnan
from typing import Any

import pandas as pd

from reports.analysis.arms import repeated
from reports.analysis.comparison import Comparison
from reports.records.metric import Metric
from reports.tables.table import Table, caption

COLUMNS = (
    "family", "group", "arm", "mean", "seed_sd", "difference", "low", "high", "verdict", "parameters", "flops",
)  # fmt: skip


def side_by_side(comparison: Comparison) -> Table:
    """Mean and difference to the baseline of each strategy, one column per group; empty where no family repeats."""
    metric, arms = comparison.metric, repeated(comparison.arms)
    name = metric.name
    numbers = arms.assign(
        mean=arms[metric.mean],
        seed_sd=arms[f"{name}_seed_sd"],
        low=arms["difference_low"],
        high=arms["difference_high"],
    )[list(COLUMNS)]
    groups = list(dict.fromkeys(arms["group"]))
    rows = []
    for family in dict.fromkeys(arms["family"]):
        members = arms[arms["family"] == family].set_index("group")
        rows.append(
            [family, *(_cell(members.loc[group], metric) if group in members.index else "" for group in groups)]
        )
    text = (
        f"Mean {metric.label} over blocks and seeds and, in brackets, the difference to {comparison.baseline}; * marks "
        "one that is significant after Holm correction (see the differences)."
    )
    return Table(
        title="Strategies by group",
        caption=caption(text, comparison.records),
        numbers=numbers.reset_index(drop=True),
        shown=pd.DataFrame(rows, columns=["Arm", *groups]),
    )


def _cell(row: "pd.Series[Any]", metric: Metric) -> str:
    mean = metric.number(row[metric.mean])
    if row["verdict"] == "baseline" or isnan(row["difference"]):
        return mean
    star = "*" if row["verdict"] in ("higher", "lower") else ""
    return f"{mean} ({metric.number(row['difference'], signed=True)}{star})"
