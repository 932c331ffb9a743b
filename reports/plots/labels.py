"""Scores by the number of labelled subjects: one line per strategy."""

import pandas as pd
from matplotlib.axes import Axes

from reports.plots.style import COLOURS, GREY, MARKERS


def by_labels(ax: Axes, curve: pd.DataFrame, *, prefix: str = "", base: float | None = None) -> Axes:
    """Means with 95 % intervals over places of equal distance, one for each number of labelled subjects.

    ``curve`` as ``reports.analysis.label_curve`` makes it; ``prefix`` is ``segmentation_`` for that of labels. ``base``
    is drawn across, the line to beat.
    """
    counts = sorted(curve["labelled"].unique())
    column = "segmentation" if prefix else "value"
    strategies = list(dict.fromkeys(curve["strategy"]))
    for number, strategy in enumerate(strategies):
        points = curve[(curve["strategy"] == strategy) & curve[column].notna()].sort_values("labelled")
        if points.empty:
            continue
        shift = 0.4 * ((number + 0.5) / len(strategies) - 0.5)
        places = [counts.index(count) + shift for count in points["labelled"]]
        low, high = (
            (points[column] - points[f"{prefix}low"]).fillna(0),
            (points[f"{prefix}high"] - points[column]).fillna(0),
        )
        ax.errorbar(
            places, points[column], yerr=[low, high], color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)], markersize=4.5, linewidth=1.1, elinewidth=0.9, label=strategy,
        )  # fmt: skip
    if base is not None:
        ax.axhline(base, color=GREY, linestyle="--", linewidth=1.1)
    ax.set_xticks(range(len(counts)), [str(count) for count in counts])
    ax.set_xlabel("Labelled subjects")
    return ax
