"""One function a figure: tables onto Axes. Nothing is computed here but places.

``arms`` has a row an arm, with its ``colour`` and ``marker`` (``reports.plots.style.with_colours``).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.plots.style import FAINT, GREY, GROUND, INK, as_label, jitter
from reports.records.metric import DICE, Metric


def pairs_by_arm(ax: Axes, pairs: pd.DataFrame, arms: pd.DataFrame, metric: Metric = DICE) -> Axes:
    """Boxes and points of each pair's value (mean over seeds), and a tick at the mean of each seed."""
    means = pairs.groupby(["arm", "pair"], sort=False)[metric.name].mean().dropna()
    shown = arms[arms["arm"].isin(means.index.get_level_values("arm"))]
    for place, (arm, colour) in enumerate(zip(shown["arm"], shown["colour"], strict=True)):
        values = means.loc[arm].to_numpy()
        ax.boxplot(
            values,
            positions=[place],
            orientation="horizontal",
            widths=0.62,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": colour + "30", "edgecolor": colour, "linewidth": 0.9},
            whiskerprops={"color": colour, "linewidth": 0.9},
            capprops={"color": colour, "linewidth": 0.9},
            medianprops={"color": colour, "linewidth": 1.8},
        )
        ax.scatter(values, place + jitter(len(values), 0.44), s=7, color=colour, alpha=0.55, linewidth=0, zorder=3)
        seeds = pairs[pairs["arm"] == arm].groupby("seed")[metric.name].mean()
        ax.scatter(seeds, np.full(len(seeds), place), marker="|", s=150, color=INK, linewidth=1.1, zorder=4)
    _arms_axis(ax, shown["arm"])
    ax.set_xlabel(f"{metric.label} of a pair (mean over seeds)")
    return ax


def differences(ax: Axes, arms: pd.DataFrame, baseline: str, metric: Metric = DICE) -> Axes:
    """Difference in the mean to the baseline with its 95 % interval; filled where a difference is shown."""
    shown = arms.dropna(subset=["difference"])
    for place, (_, arm) in enumerate(shown.iterrows()):
        colour = arm["colour"]
        if not np.isnan(arm["difference_low"]):
            ax.plot([arm["difference_low"], arm["difference_high"]], [place, place], color=colour, linewidth=1.6)
        named = arm["verdict"] in ("higher", "lower")
        face = colour if named else GROUND
        ax.plot(arm["difference"], place, arm["marker"], color=colour, markerfacecolor=face, markersize=6.5)
    ax.axvline(0, color=INK, linewidth=0.9)
    _arms_axis(ax, shown["arm"])
    ax.set_xlabel(f"Difference in mean {metric.label} to {as_label(baseline)}, 95 % interval")
    return ax


def against(ax: Axes, arms: pd.DataFrame, column: str, *, label: str, unit: float = 1.0, metric: Metric = DICE) -> Axes:
    """Means of the arms over blocks against another column, with intervals where there are any.

    A numeral has no interval, which would cross it out.
    Arms of one ``front`` are joined by a line, in the order of their ``weight``.
    """
    height = f"{metric.name}_blocks"
    across = f"{column}_blocks" if f"{column}_blocks" in arms else column
    measured = arms.dropna(subset=[height, across])
    for (_, arm), numeral in zip(measured.iterrows(), is_numeral(measured["marker"]), strict=True):
        ax.errorbar(
            arm[across] / unit,
            arm[height],
            xerr=_error(arm, column, unit) if across != column and not numeral else None,
            yerr=None if numeral else _error(arm, metric.name, 1.0),
            marker=arm["marker"],
            linestyle="none",
            color=arm["colour"],
            markersize=6,
            markeredgewidth=0,
            elinewidth=0.8,
            alpha=0.9,
        )
    for _, front in arms.dropna(subset=[height, across]).groupby("front") if "front" in arms else ():
        line = front.sort_values("weight")
        ax.plot(line[across] / unit, line[height], color=line["colour"].iloc[0], linewidth=1.1, alpha=0.8, zorder=1.5)
    ax.set_xlabel(label)
    ax.set_ylabel(f"Mean {metric.label}")
    ax.margins(0.08)
    return ax


def training_curve(
    ax: Axes, history: pd.DataFrame, arms: pd.DataFrame, column: str, *, faint: Sequence[str] = ()
) -> Axes:
    """Mean over seeds of a column of the history by step, with the range of the seeds; arms in ``faint`` dashed."""
    for arm, colour in zip(arms["arm"], arms["colour"], strict=True):
        seeds = history[history["arm"] == arm].dropna(subset=[column]).groupby("step")[column]
        mean = seeds.mean()
        if mean.empty:
            continue
        line = "--" if arm in faint else "-"
        ax.plot(mean.index, mean, line, color=colour, linewidth=1.1 if arm in faint else 1.5)
        if arm not in faint:
            ax.fill_between(mean.index, seeds.min(), seeds.max(), color=colour, alpha=0.18, linewidth=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return ax


def structures(ax: Axes, labels: pd.DataFrame, arms: pd.DataFrame) -> Axes:
    """Mean Dice of each structure by arm, with the range of the seeds."""
    names = list(dict.fromkeys(labels["structure"]))
    seeds = labels.groupby(["arm", "structure", "seed"])["dice"].mean()
    offsets = np.linspace(-0.36, 0.36, len(arms)) if len(arms) > 1 else np.zeros(1)
    for (_, arm), offset in zip(arms.iterrows(), offsets, strict=True):
        values = seeds.loc[[arm["arm"]]].groupby(level="structure").agg(["mean", "min", "max"]).reindex(names)
        places, colour = np.arange(len(names)) + offset, arm["colour"]
        ax.hlines(places, values["min"], values["max"], color=colour, linewidth=1.2)
        ax.plot(values["mean"], places, arm["marker"], color=colour, markersize=4.5, linestyle="none")
    for edge in range(1, len(names)):
        ax.axhline(edge - 0.5, color=FAINT, linewidth=0.8)
    ax.set_yticks(range(len(names)), [as_label(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Mean Dice (line: range of the seeds)")
    return ax


def is_numeral(markers: "pd.Series[str]") -> "pd.Series[bool]":
    """Which markers are numerals (``$7$``), as arms have that share a colour."""
    return markers.str.startswith("$")


def legend(arms: pd.DataFrame, *, groups: bool = True) -> list[list[Line2D]]:
    """Handles that say which colour is which family and, with ``groups``, which marker is which group.

    Where colours serve several families, the group of each is said beside it.
    """
    families = arms.drop_duplicates("family")
    shapes = arms[~is_numeral(arms["marker"])].drop_duplicates("group")
    shared = families["colour"][families["trained"]].duplicated().any()
    lines = [
        Line2D(
            [], [], color=arm["colour"], marker=(arm["marker"] if shared or numeral else "o") if groups else "",
            markeredgewidth=0,
            linestyle="none" if groups else "-",
            label=as_label(f"{arm['family']} ({arm['group']})" if shared and not groups else arm["family"]),
        )
        for (_, arm), numeral in zip(families.iterrows(), is_numeral(families["marker"]), strict=True)
    ]  # fmt: skip
    points = [
        Line2D([], [], color=GREY, marker=shape, linestyle="none", label=as_label(group))
        for group, shape in zip(shapes["group"], shapes["marker"], strict=True)
    ]
    return [lines, points] if groups else [lines]


def _arms_axis(ax: Axes, arms: Sequence[str] | pd.Series) -> None:
    """Arms from top to bottom."""
    ax.set_yticks(range(len(arms)), [as_label(arm) for arm in arms])
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)


def _error(arm: pd.Series, column: str, unit: float) -> np.ndarray | None:
    low, mean, high = (float(arm[f"{column}_{end}"]) for end in ("low", "blocks", "high"))
    return None if np.isnan(low) else np.array([[mean - low], [high - mean]]) / unit
