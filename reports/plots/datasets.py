"""One study on several data sets, onto Axes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.plots.marks import mark
from reports.plots.style import INK, as_label
from reports.records.metric import Metric

LABEL_WIDTH = 30


def ranks_across(
    ax: Axes, means: pd.DataFrame, arms: pd.DataFrame, metric: Metric, *, kinds: Mapping[str, str] | None = None
) -> Axes:
    """One line per arm through its rank on each data set, a column each, the best on top; the mean beside each mark.

    ``means``: data sets by arms, NaN where an arm has no result: it has no mark there, and its line is dotted.
    ``arms``: a row for each, with ``colour``, ``marker`` and ``line``. Arms of equal means stand in the order of
    ``means``. ``kinds``: a second line of what each data set is called.
    """
    ranks = means.rank(axis=1, ascending=not metric.higher_is_better, method="first")
    counts = ranks.max(axis=1)
    # A column of fewer arms is as tall as the others, or arms that are missing there would bend the lines of the rest.
    places = ranks.sub(1).mul((counts.max() - 1) / (counts - 1).clip(lower=1), axis=0).add(1)
    for _, arm in arms.iterrows():
        _line(ax, places[arm["arm"]].to_numpy(), ranks[arm["arm"]], means[arm["arm"]], arm, metric)
    names = [f"{as_label(name, width=16)}\n{(kinds or {}).get(str(name), '')}".strip() for name in means.index]
    ax.set_xticks(range(len(means)), names)
    ax.set_xlim(-0.05, len(means) - 0.95)
    ax.set_ylim(float(counts.max()) + 0.6, 0.4)
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    return ax


def _line(
    ax: Axes,
    places: np.ndarray,
    ranks: "pd.Series[float]",
    means: "pd.Series[float]",
    arm: "pd.Series[Any]",
    metric: Metric,
) -> None:
    """The line of one arm, with its means, and its name at both ends as far as it has a result there."""
    name, colour = str(arm["arm"]), arm["colour"]
    met = np.flatnonzero(~np.isnan(places))
    values = [metric.number(value) for value in means.iloc[met]]
    if len(met) < np.ptp(met) + 1:
        mark(ax.plot(met, places[met], linestyle=":", color=colour, linewidth=0.9), name)
    drawn = ax.plot(
        range(len(places)), places, linestyle=arm["line"], marker=arm["marker"], color=colour, markersize=5,
        linewidth=1.2,
    )  # fmt: skip
    name_of = [str(dataset) for dataset in means.index]
    tooltips = [
        f"{name_of[column]}: rank {ranks.iloc[column]:.0f}, {metric.label} {value}"
        for column, value in zip(met, values, strict=True)
    ]
    mark(drawn, name, tooltips=tooltips)
    last = len(places) - 1
    label = as_label(name, width=LABEL_WIDTH, lines=1)
    for column, value in zip(met, values, strict=True):
        end = column == 0 or (column == met[0] and last not in met), column == last
        text, side, place = (
            (f"{label}  {value}", "right", (-8, 0)) if end[0]
            else (f"{value}  {label}", "left", (8, 0)) if end[1]
            else (value, "center", (0, 7))
        )  # fmt: skip
        words = ax.annotate(
            text, (column, places[column]), xytext=place, textcoords="offset points", ha=side, va="center",
            fontsize=7.5 if any(end) else 6.5, color=INK,
        )  # fmt: skip
        mark(words, name)
