"""Figures of all pairs of arms and of ranks: tables onto Axes."""

from itertools import chain, pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgba

from reports.plots.style import COLOURS, FAINT, INK, as_label
from reports.records.metric import DICE, Metric
from reports.wording import number

MOST_ANNOTATED, MOST_IN_WORDS = 34, 12
"""Arms of a matrix with numbers, and of one with numbers as long as they are; between them, the last decimals alone."""
# Less than whole, so that numbers on a cell can be read.
OPAQUE = 0.65


def significance(ax: Axes, differences: pd.DataFrame, significant: pd.DataFrame, metric: Metric = DICE) -> Axes:
    """Differences of arms, row minus column, as a square table; in colour where ``significant`` says so."""
    import seaborn

    shown = differences.where(significant.to_numpy(bool), 0.0).where(differences.notna())
    reach = float(np.nanmax(np.abs(differences.to_numpy()))) or 1.0
    annotated, lines = len(differences) <= MOST_ANNOTATED, 3 if len(differences) <= MOST_IN_WORDS else 1
    unit = 1.0 if len(differences) <= MOST_IN_WORDS else 10.0**metric.digits
    words = differences.map(lambda value: "" if np.isnan(value) else _short(value, unit, metric))
    shown = shown if annotated else differences
    seaborn.heatmap(
        shown,
        ax=ax,
        cmap=_diverging(reverse=not metric.higher_is_better),
        vmin=-reach,
        vmax=reach,
        annot=words if annotated else False,
        fmt="",
        annot_kws={"color": INK, "fontsize": 7 if unit == 1 else 5.5},
        cbar=not annotated,
        linewidths=0.5,
        linecolor=FAINT,
        xticklabels=[as_label(arm, lines=lines) for arm in shown.columns],
        yticklabels=[as_label(arm, lines=lines) for arm in shown.index],
    )
    return _plain(ax)


def _short(value: float, unit: float, metric: Metric) -> str:
    """A difference in full, or in units of the last decimal that means something."""
    return metric.number(value, signed=True) if unit == 1 else number(value * unit, 0, signed=True)


def stability(ax: Axes, shares: pd.DataFrame) -> Axes:
    """Share of the draws in which an arm (row) takes a rank (column)."""
    import seaborn

    words = shares.map(lambda share: f"{100 * share:.0f}" if share >= 0.005 else "")
    seaborn.heatmap(
        shares,
        ax=ax,
        cmap=LinearSegmentedColormap.from_list("share", [_faded(COLOURS[0], 0), _faded(COLOURS[0], OPAQUE)]),
        vmin=0,
        vmax=1,
        annot=words if len(shares) <= MOST_ANNOTATED else False,
        fmt="",
        annot_kws={"color": INK, "fontsize": 7.5 if len(shares) <= MOST_IN_WORDS else 5.5},
        cbar=False,
        linewidths=0.5,
        linecolor=FAINT,
        yticklabels=[as_label(arm, lines=3 if len(shares) <= MOST_IN_WORDS else 1) for arm in shares.index],
    )
    ax.tick_params(axis="x", labelsize=8.5 if len(shares) <= MOST_IN_WORDS else 7)
    ax.set_xlabel("Rank")
    return _plain(ax)


def critical_difference(ax: Axes, ranks: "pd.Series[float]", p_values: pd.DataFrame, colours: dict[str, str]) -> Axes:
    """Mean ranks on a line; a bar joins the arms with a dot on it, which Wilcoxon's test with Holm correction does not
    tell apart, and passes by the others."""
    import scikit_posthocs

    labels = {arm: as_label(arm, lines=99) for arm in ranks.index}
    drawn = scikit_posthocs.critical_difference_diagram(
        _apart(ranks).rename(labels),
        p_values.rename(index=labels, columns=labels),
        ax=ax,
        color_palette={labels[arm]: colour for arm, colour in colours.items()},
        label_fmt_left="{label} ({rank:.1f})",
        label_fmt_right="({rank:.1f}) {label}",
        label_props={"fontsize": 8.5},
        marker_props={"s": 22},
        elbow_props={"linewidth": 1.1},
        crossbar_props={"color": INK, "linewidth": 1.6, "marker": "o", "markersize": 5},
        text_h_margin=0.02 * max(1.0, float(np.ptp(ranks))),
    )
    for text in ax.texts:  # the lines have the colour; text of it would be too pale to read
        text.set_color(INK)
    for bar in chain.from_iterable(drawn["crossbars"]):  # its points come from a set, in an order of their own
        bar.set_data(sorted(bar.get_xdata()), bar.get_ydata())
    ax.grid(visible=False)
    ax.spines["top"].set_visible(True)
    ax.set_xlabel("Mean rank over blocks, 1 the best", labelpad=6)
    ax.xaxis.set_label_position("top")
    return ax


def _apart(ranks: "pd.Series[float]") -> "pd.Series[float]":
    """Ranks of which equal ones are drawn a line's width apart, so that neither hides the other."""
    gap, placed = 0.008 * max(1.0, float(np.ptp(ranks))), ranks.sort_values(kind="stable").copy()
    for before, after in pairwise(placed.index):
        placed[after] = max(placed[after], placed[before] + gap)
    return placed.loc[ranks.index]


def _diverging(*, reverse: bool) -> Colormap:
    """Blue where a row is better than its column, orange where it is worse, the ground between."""
    worse, better = COLOURS[1], COLOURS[0]
    ends = [_faded(worse, OPAQUE), _faded(worse, 0), _faded(better, 0), _faded(better, OPAQUE)]
    return LinearSegmentedColormap.from_list("better", ends[::-1] if reverse else ends)


def _faded(colour: str, alpha: float) -> tuple[float, float, float, float]:
    """A colour through which the ground is seen, light or dark as the page is."""
    return to_rgba(colour, alpha)


def _plain(ax: Axes) -> Axes:
    ax.grid(visible=False)
    ax.set_ylabel("")
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax
