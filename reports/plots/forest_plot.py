"""A forest plot: every arm's mean with its interval, the best first."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.plots.marks import mark
from reports.plots.style import BACKGROUND, FAINT, INK, as_label, names_of_rows
from reports.records.metric import DICE, Metric

LABEL_WIDTH = 40  # tells arms apart that differ in what comes after their plan and how they are matched


def forest_plot(ax: Axes, arms: pd.DataFrame, baseline: str, metric: Metric = DICE) -> Axes:
    """Means over blocks with 95 % intervals in the order of ``arms``, each mean as a number beside it.

    ``arms`` has ``colour`` and ``marker``. A line runs down from the mean of ``baseline``; arms that are not trained
    are hollow.
    """
    scored = arms.dropna(subset=[metric.mean])
    size = min(8.0, names_of_rows(ax, scored["arm"])[1])
    for place, (_, arm) in enumerate(scored.iterrows()):
        ends = float(arm[f"{metric.name}_low"]), float(arm[f"{metric.name}_high"])
        if not np.isnan(ends[0]):
            line = ax.plot(list(ends), [place, place], color=arm["colour"], linewidth=1.5, solid_capstyle="butt")
            mark(line, arm["arm"])
        face = arm["colour"] if arm["trained"] else BACKGROUND
        point = ax.plot(arm[metric.mean], place, arm["marker"], color=arm["colour"], markerfacecolor=face, markersize=5)
        interval = metric.between(*ends)
        mark(point, arm["arm"], tooltips=[f"{metric.label} {metric.number(arm[metric.mean])} ({interval})"])
        words = ax.annotate(
            metric.number(arm[metric.mean]),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=size,
        )
        mark(words, arm["arm"])
    base = scored[scored["arm"] == baseline]
    if len(base):
        ax.axvline(base[metric.mean].iloc[0], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0.9)
    ax.set_yticks(
        range(len(scored)), [as_label(arm, width=LABEL_WIDTH, lines=1) for arm in scored["arm"]], fontsize=size
    )
    for tick, arm in zip(ax.get_yticklabels(), scored["arm"], strict=True):
        tick.set_fontweight("bold" if arm == baseline else "normal")
        mark(tick, arm)
    ax.set_ylim(len(scored) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_color(FAINT)
    ax.set_xlabel(f"Mean {metric.label}, 95 % interval")
    return ax
