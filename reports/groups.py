"""The same strategies in several groups side by side: unmatched, matched by parameters, matched by FLOPs."""

from math import isnan
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from reports.comparison import Comparison
from reports.metric import DICE, Metric
from reports.style import GREY, INK
from reports.table import Table, caption

COLUMNS = (
    "family", "group", "arm", "mean", "seed_sd", "difference", "low", "high", "verdict", "parameters", "flops",
)  # fmt: skip


def repeated(arms: pd.DataFrame) -> pd.DataFrame:
    """The trained arms with a result of families that stand in several groups, each once a group."""
    own = arms[arms["trained"] & (arms["seeds"] > 0)].drop_duplicates(["family", "group"])
    return own[own.groupby("family")["group"].transform("nunique") > 1]


def side_by_side(comparison: Comparison) -> Table:
    """Mean and difference to the baseline of each strategy, a column a group; empty where no family repeats."""
    metric, arms = comparison.metric, repeated(comparison.arms)
    name = metric.name
    numbers = arms.assign(
        mean=arms[name], seed_sd=arms[f"{name}_seed_sd"], low=arms["difference_low"], high=arms["difference_high"]
    )[list(COLUMNS)]
    groups = list(dict.fromkeys(arms["group"]))
    rows = []
    for family in dict.fromkeys(arms["family"]):
        own = arms[arms["family"] == family].set_index("group")
        rows.append([family, *(_cell(own.loc[group], metric) if group in own.index else "" for group in groups)])
    text = (
        f"Mean {metric.label} and, in brackets, the difference to {comparison.baseline}; * marks one that stands after "
        "Holm's correction (see the differences)."
    )
    return Table(
        title="Strategies by group",
        caption=caption(text, comparison.records),
        numbers=numbers.reset_index(drop=True),
        shown=pd.DataFrame(rows, columns=["Arm", *groups]),
    )


def draw_side_by_side(ax: Axes, arms: pd.DataFrame, baseline: str, metric: Metric = DICE) -> Axes:
    """Mean over blocks of each family in each group with its interval; a dashed line where the baseline lies."""
    shown, name = repeated(arms), metric.name
    groups, families = list(dict.fromkeys(shown["group"])), list(dict.fromkeys(shown["family"]))
    for place, family in enumerate(families):
        own = shown[shown["family"] == family]
        across = [groups.index(group) + 0.14 * (place - (len(families) - 1) / 2) for group in own["group"]]
        middle = own[f"{name}_blocks"].to_numpy()
        reach = [middle - own[f"{name}_low"].to_numpy(), own[f"{name}_high"].to_numpy() - middle]
        ax.errorbar(across, middle, yerr=reach, fmt="o-", color=own["colour"].iloc[0], linewidth=1.0, elinewidth=0.9)
    level = float(arms[arms["arm"] == baseline][f"{name}_blocks"].iloc[0])
    if not isnan(level):
        ax.axhline(level, color=GREY, linewidth=0.9, linestyle="--")
        ax.annotate(baseline, (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=INK)
    ax.set_xticks(range(len(groups)), groups)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    ax.grid(axis="x", visible=False)
    ax.set_ylabel(f"Mean {metric.label}")
    return ax


def _cell(row: "pd.Series[Any]", metric: Metric) -> str:
    mean = metric.number(row[metric.name])
    if row["verdict"] == "baseline" or isnan(row["difference"]):
        return mean
    star = "*" if row["verdict"] in ("higher", "lower") else ""
    return f"{mean} ({metric.number(row['difference'], signed=True)}{star})"
