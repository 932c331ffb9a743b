"""One study on several data sets, onto Axes."""

import pandas as pd
from matplotlib.axes import Axes

from reports.plots.marks import mark
from reports.plots.style import INK, as_label
from reports.records.metric import Metric

LABEL_WIDTH = 30


def ranks_across(ax: Axes, means: pd.DataFrame, arms: pd.DataFrame, metric: Metric) -> Axes:
    """One line per arm through its rank on each data set, a column each, the best on top; the mean beside each mark.

    ``means``: data sets by arms; ``arms``: a row for each, with ``colour``, ``marker`` and ``line``. Arms of equal
    means stand in the order of ``means``.
    """
    ranks = means.rank(axis=1, ascending=not metric.higher_is_better, method="first")
    for _, arm in arms.iterrows():
        name, places = str(arm["arm"]), ranks[arm["arm"]].to_numpy()
        values = [metric.number(value) for value in means[arm["arm"]]]
        drawn = ax.plot(
            range(len(places)), places, linestyle=arm["line"], marker=arm["marker"], color=arm["colour"], markersize=5,
            linewidth=1.2,
        )  # fmt: skip
        tooltips = [
            f"{dataset}: rank {place:.0f}, {metric.label} {value}"
            for dataset, place, value in zip(means.index, places, values, strict=True)
        ]
        mark(drawn, name, tooltips=tooltips)
        for column, (place, value) in enumerate(zip(places, values, strict=True)):
            words = ax.annotate(
                value, (column, place), xytext=(0, 3.5), textcoords="offset points", ha="center", fontsize=6, color=INK
            )
            mark(words, name)
        for column, ends in ((0, ("right", -8)), (len(places) - 1, ("left", 8))):
            side, apart = ends
            words = ax.annotate(
                as_label(name, width=LABEL_WIDTH, lines=1), (column, places[column]), xytext=(apart, 0),
                textcoords="offset points", ha=side, va="center", fontsize=7.5,
            )  # fmt: skip
            mark(words, name)
    ax.set_xticks(range(len(means)), [as_label(name, width=16) for name in means.index])
    ax.set_xlim(-0.05, len(means) - 0.95)
    ax.set_ylim(means.shape[1] + 0.6, 0.4)
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    return ax
