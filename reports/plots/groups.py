"""Strategies that are in several groups, onto Axes."""

from math import isnan

import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.arms import repeated
from reports.plots.marks import mark
from reports.plots.style import GREY, INK, LABEL_WIDTH, as_label
from reports.records.metric import DICE, Metric

MOST_BESIDE = 8
"""Groups whose names stand side by side; those of more are turned."""


def side_by_side(ax: Axes, arms: pd.DataFrame, baseline: str, metric: Metric = DICE) -> Axes:
    """Mean over blocks of each family in each group with its interval; a dashed line at the baseline."""
    shown, name = repeated(arms), metric.name
    groups, families = list(dict.fromkeys(shown["group"])), list(dict.fromkeys(shown["family"]))
    for place, family in enumerate(families):
        members = shown[shown["family"] == family]
        across = [groups.index(group) + 0.14 * (place - (len(families) - 1) / 2) for group in members["group"]]
        middle = members[f"{name}_blocks"].to_numpy()
        reach = [middle - members[f"{name}_low"].to_numpy(), members[f"{name}_high"].to_numpy() - middle]
        drawn = ax.errorbar(
            across, middle, yerr=reach, fmt="o-", color=members["colour"].iloc[0], linewidth=1.0, elinewidth=0.9
        )
        means = zip(members["arm"], middle, strict=True)
        tooltips = [f"{arm}: {metric.label} {metric.number(value)}" for arm, value in means]
        mark([drawn[0], *drawn[2]], family, tooltips=tooltips)
    level = float(arms[arms["arm"] == baseline][f"{name}_blocks"].iloc[0])
    if not isnan(level):
        ax.axhline(level, color=GREY, linewidth=0.9, linestyle="--")
        ax.annotate(
            as_label(baseline, width=16),
            (1.01, level),
            xycoords=("axes fraction", "data"),
            ha="left",
            va="center",
            color=INK,
        )
    many = len(groups) > MOST_BESIDE
    names = [as_label(group, width=LABEL_WIDTH if many else max(8, 66 // len(groups))) for group in groups]
    ax.set_xticks(range(len(groups)), names, rotation=90 if many else 0)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    ax.grid(axis="x", visible=False)
    ax.set_ylabel(f"Mean {metric.label}")
    return ax
