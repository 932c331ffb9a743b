"""One function a figure: tables onto Axes. Nothing is computed here but places.

``arms`` has one row per arm, with its ``colour`` and ``marker`` (``reports.plots.style.with_colours``).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.analysis.comparison import MATCHED
from reports.plots.marks import mark
from reports.plots.style import BACKGROUND, FAINT, GREY, INK, as_label, jitter, names_of_rows
from reports.records.metric import DICE, Metric

MOST_IN_TWO_LINES = 16
"""Columns of a table whose names have room for two lines."""

AXES = {
    "sd_log_jacobian": ("SD of log determinant", 1.0),
    "folding_fraction": ("Folding fraction", 1.0),
    "parameters": ("Parameters (millions)", 1e6),
    "flops": ("Forward FLOPs (G)", 1e9),
    "latency_s": ("Latency (s)", 1.0),
    "train_step_s": ("Time of a training step (s)", 1.0),
    "peak_memory_mib": ("Peak memory (MiB)", 1.0),
    "training_s": ("Training time (hours)", 3600.0),
    "val_dice": ("Val Dice", 1.0),
    "loss": ("Training loss", 1.0),
}
"""What the axis of a column is called, and its unit."""


def pairs_by_arm(ax: Axes, pairs: pd.DataFrame, arms: pd.DataFrame, metric: Metric = DICE) -> Axes:
    """Boxes and points of each pair's value (mean over seeds), and a tick at the mean of each seed."""
    means = pairs.groupby(["arm", "pair"], sort=False)[metric.name].mean().dropna()
    shown = arms[arms["arm"].isin(means.index.get_level_values("arm"))]
    for place, (arm, colour) in enumerate(zip(shown["arm"], shown["colour"], strict=True)):
        values = means.loc[arm]
        box = ax.boxplot(
            values.to_numpy(),
            positions=[place],
            orientation="horizontal",
            widths=0.62,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": to_rgba(colour, 0.19), "edgecolor": colour, "linewidth": 0.9},
            whiskerprops={"color": colour, "linewidth": 0.9},
            capprops={"color": colour, "linewidth": 0.9},
            medianprops={"color": colour, "linewidth": 1.8},
        )
        mark([artist for parts in box.values() for artist in parts], arm)
        up = place + jitter(len(values), 0.44)
        points = ax.scatter(values.to_numpy(), up, s=7, color=colour, alpha=0.55, linewidth=0, zorder=3)
        mark(points, arm, tooltips=[f"{pair}: {metric.label} {metric.number(value)}" for pair, value in values.items()])
        seeds = pairs[pairs["arm"] == arm].groupby("seed")[metric.name].mean()
        ticks = ax.scatter(
            seeds, np.full(len(seeds), place), marker="|", s=150, color=INK, linewidth=1.1, zorder=4,
        )  # fmt: skip
        mark(ticks, arm, tooltips=[of_seed(seed, metric, value) for seed, value in seeds.items()])
    _arms_axis(ax, shown["arm"])
    ax.set_xlabel(f"{metric.label} of a pair (mean over seeds)")
    return ax


def of_seed(seed: object, metric: Metric, value: float) -> str:
    """What the mean of a trained network says, and whose row a click on it leads to."""
    return f"seed {seed}: mean {metric.label} {metric.number(value)}\t{seed}"


def differences(ax: Axes, arms: pd.DataFrame, baseline: str, metric: Metric = DICE) -> Axes:
    """Difference in the mean to the baseline with its 95 % interval; filled where it is significant.

    Where ``simultaneous_low`` and ``simultaneous_high`` are given, thin lines are the intervals that hold at once.
    """
    shown = arms.dropna(subset=["difference"])
    for place, (_, arm) in enumerate(shown.iterrows()):
        colour, drawn = arm["colour"], []
        for low, high, width in (
            ("simultaneous_low", "simultaneous_high", 0.8),
            ("difference_low", "difference_high", 2.6),
        ):
            if low in arm and not np.isnan(arm[low]):
                drawn += ax.plot([arm[low], arm[high]], [place, place], color=colour, linewidth=width)
        named = arm["verdict"] in ("higher", "lower")
        face = colour if named else BACKGROUND
        point = ax.plot(arm["difference"], place, arm["marker"], color=colour, markerfacecolor=face, markersize=6.5)
        mark(drawn, arm["arm"])
        interval = metric.between(arm["difference_low"], arm["difference_high"], signed=True)
        mark(
            point, arm["arm"], tooltips=[f"{metric.number(arm['difference'], signed=True)} {metric.title} ({interval})"]
        )
    ax.axvline(0, color=INK, linewidth=0.9)
    _arms_axis(ax, shown["arm"])
    ax.set_xlabel(f"Difference in mean {metric.label} to {as_label(baseline)}, 95 % interval")
    return ax


def against(ax: Axes, arms: pd.DataFrame, column: str, *, label: str, unit: float = 1.0, metric: Metric = DICE) -> Axes:
    """Means of the arms over blocks against another column, with intervals where there are any.

    A numeral has no interval, which would cross it out. Arms of one ``front`` are joined by a line, in the order of
    their ``weight``. Hollow: an arm that starts from the results of another, whose colour it has.
    """
    height = f"{metric.name}_blocks"
    across = f"{column}_blocks" if f"{column}_blocks" in arms else column
    measured = arms.dropna(subset=[height, across])
    for (_, arm), numeral in zip(measured.iterrows(), is_numeral(measured["marker"]), strict=True):
        hollow = bool(arm.get("parent")) and not numeral
        drawn = ax.errorbar(
            arm[across] / unit,
            arm[height],
            xerr=_error(arm, column, unit) if across != column and not numeral else None,
            yerr=None if numeral else _error(arm, metric.name, 1.0),
            marker=arm["marker"],
            linestyle="none",
            color=arm["colour"],
            markersize=6,
            markerfacecolor=BACKGROUND if hollow else arm["colour"],
            markeredgewidth=1.2 if hollow else 0,
            elinewidth=0.7,
            zorder=3,
        )
        for bars in drawn[2]:  # thin and pale below the points, which they would bury
            bars.set(alpha=0.45, zorder=2)
        mark(drawn[2], arm["arm"])
        mark(
            drawn[0],
            arm["arm"],
            tooltips=[f"{metric.label} {metric.number(arm[height])}, {label} {arm[across] / unit:.4g}"],
        )
    for _, front in arms.dropna(subset=[height, across]).groupby("front") if "front" in arms else ():
        line = front.sort_values("weight")
        ax.plot(line[across] / unit, line[height], color=line["colour"].iloc[0], linewidth=1.1, alpha=0.8, zorder=1.5)
    ax.set_xlabel(label)
    ax.set_ylabel(f"Mean {metric.label}")
    ax.margins(0.08)
    return ax


def in_sight(compared: pd.DataFrame) -> pd.DataFrame:
    """Trained arms, and others that do not lie beyond the intervals of all of those."""
    trained = compared[compared["trained"]]
    if trained.empty:
        return compared
    ends = trained[["difference_low", "difference", "difference_high"]]
    lowest, highest = min(0.0, float(ends.min().min())), max(0.0, float(ends.max().max()))
    return compared[compared["trained"] | compared["difference"].between(lowest, highest)]


def structures_in_colour(ax: Axes, means: pd.DataFrame) -> Axes:
    """Mean Dice (structures by arms) less the mean of each structure, as a table of colours."""
    import seaborn

    apart = means.sub(means.mean(axis=1), axis=0)
    reach = float(np.nanmax(np.abs(apart.to_numpy()))) or 1.0
    names = {"width": 24} if means.shape[1] <= MOST_IN_TWO_LINES else {"lines": 1}
    seaborn.heatmap(
        apart, ax=ax, cmap="PuOr", vmin=-reach, vmax=reach, linewidths=0.5, linecolor=FAINT,
        cbar_kws={"label": "Difference", "fraction": 0.04, "pad": 0.02},
        xticklabels=[as_label(arm, **names) for arm in means.columns], yticklabels=[as_label(n) for n in means.index],
    )  # fmt: skip
    ax.grid(visible=False)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
    ax.tick_params(axis="x", rotation=90)
    return ax


def training_curve(
    ax: Axes, history: pd.DataFrame, arms: pd.DataFrame, column: str, *, faint: Sequence[str] = ()
) -> Axes:
    """Mean over seeds of a column of the history by step, with the range of the seeds; arms in ``faint`` dashed.

    A mark at each arm's last value tells its line from others of a like colour.
    """
    for _, arm in arms.iterrows():
        seeds = history[history["arm"] == arm["arm"]].dropna(subset=[column]).groupby("step")[column]
        mean = seeds.mean()
        if mean.empty:
            continue
        aside, colour = arm["arm"] in faint, arm["colour"]
        drawn = ax.plot(
            mean.index, mean, linestyle="--" if aside else arm.get("line", "-"), color=colour,
            linewidth=1.1 if aside else 1.5, marker=arm.get("marker", "o"), markevery=[len(mean) - 1], markersize=4.5,
            markeredgewidth=0,
        )  # fmt: skip
        mark(drawn, arm["arm"], tooltips=[f"step {mean.index[-1]}: {column} {mean.iloc[-1]:.4g}"])
        if not aside:
            mark(
                ax.fill_between(mean.index, seeds.min(), seeds.max(), color=colour, alpha=0.18, linewidth=0), arm["arm"]
            )
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return ax


def structures(ax: Axes, labels: pd.DataFrame, arms: pd.DataFrame) -> Axes:
    """Mean Dice of each structure by arm, with the range of the seeds where there are several."""
    names = list(dict.fromkeys(labels["structure"]))
    seeds = labels.groupby(["arm", "structure", "seed"])["dice"].mean()
    several = labels.groupby("arm")["seed"].nunique().max() > 1
    offsets = np.linspace(-0.36, 0.36, len(arms)) if len(arms) > 1 else np.zeros(1)
    for (_, arm), offset in zip(arms.iterrows(), offsets, strict=True):
        values = seeds.loc[[arm["arm"]]].groupby(level="structure").agg(["mean", "min", "max"]).reindex(names)
        places, colour = np.arange(len(names)) + offset, arm["colour"]
        if several:
            mark(ax.hlines(places, values["min"], values["max"], color=colour, linewidth=1.2), arm["arm"])
        drawn = ax.plot(values["mean"], places, arm["marker"], color=colour, markersize=4.5, linestyle="none")
        tooltips = [f"{name}: Dice {value:.3f}" for name, value in values["mean"].items() if not np.isnan(value)]
        mark(drawn, arm["arm"], tooltips=tooltips)
    for edge in range(1, len(names)):
        ax.axhline(edge - 0.5, color=FAINT, linewidth=0.8)
    ax.set_yticks(range(len(names)), [as_label(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Mean Dice (line: range of the seeds)" if several else "Mean Dice")
    return ax


def is_numeral(markers: "pd.Series[str]") -> "pd.Series[bool]":
    """Which markers are numerals (``$7$``), as arms have that share a colour."""
    return markers.str.startswith("$")


def legend(arms: pd.DataFrame, *, groups: bool = True) -> list[list[Line2D]]:
    """Handles that say which colour is which family and, with ``groups``, which marker is which group.

    A family in one group has that group's marker. Where families share a colour, the group of each is named beside it,
    unless its name says it.
    """
    families = arms.drop_duplicates("family")
    several = families["family"].map(arms.groupby("family")["marker"].nunique()) > 1
    shapes = arms[~is_numeral(arms["marker"])].drop_duplicates("group")
    shared = families["colour"].where(families["trained"], families["family"]).duplicated(keep=False)
    lines = [
        Line2D(
            [], [], color=arm["colour"],
            marker="o" if groups and in_several else arm["marker"],
            markersize=6 if groups else 4.5,
            markeredgewidth=0,
            linestyle="none" if groups else arm.get("line", "-"),
            label=as_label(_with_group(arm) if in_one_colour and not groups else arm["family"]),
        )
        for (_, arm), in_several, in_one_colour in zip(families.iterrows(), several, shared, strict=True)
    ]  # fmt: skip
    points = [
        Line2D([], [], color=GREY, marker=shape, linestyle="none", label=as_label(group))
        for group, shape in zip(shapes["group"], shapes["marker"], strict=True)
    ]
    return [lines, points] if groups else [lines]


def _with_group(arm: "pd.Series[Any]") -> str:
    name, group = str(arm["family"]), str(arm["group"])
    return name if group.removeprefix(MATCHED) in name else f"{name} ({group})"


def _arms_axis(ax: Axes, arms: Sequence[str] | pd.Series) -> None:
    """Arms from top to bottom."""
    names, size = names_of_rows(ax, arms)
    ax.set_yticks(range(len(arms)), names, fontsize=size)
    for label, arm in zip(ax.get_yticklabels(), arms, strict=True):
        mark(label, arm)
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)


def _error(arm: pd.Series, column: str, unit: float) -> np.ndarray | None:
    low, mean, high = (float(arm[f"{column}_{end}"]) for end in ("low", "blocks", "high"))
    return None if np.isnan(low) else np.array([[mean - low], [high - mean]]) / unit
