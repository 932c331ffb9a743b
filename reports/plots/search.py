"""One function a figure of a search: tables onto Axes. Nothing is computed here but places."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from reports.analysis.candidates import Objective
from reports.plots.marks import mark
from reports.plots.parts import FEWEST_FOR_COLOUR, PART_LOOK, SCALE, ink_on
from reports.plots.style import INK, as_label, jitter
from reports.records.definitions import CONTROL, SEARCH
from reports.records.levels import range_levels, word
from reports.records.plans import operator_name
from reports.statistics.correlation import rank_correlation
from reports.wording import number

MOST_DRAWN_POINTS = 1000
"""More of them are an image, or the page grows too large."""


def incumbent(
    ax: Axes, curves: pd.DataFrame, band: pd.DataFrame, finished: pd.DataFrame, *, across: str, column: str, unit: float
) -> Axes:
    """Best so far as steps for each part, the finished candidates as points, those with a name called by it.

    ``band``: ``low``, ``middle`` and ``high`` of the best gain of random search.
    """
    if len(band):
        colour = PART_LOOK[CONTROL][0]
        ax.fill_between(band[across], band["low"] / unit, band["high"] / unit, color=colour, alpha=0.16, linewidth=0)
        ax.plot(band[across], band["middle"] / unit, color=colour, linewidth=0.9, linestyle=":")
    for part, curve in curves.groupby("part", sort=False):
        colour, marker = PART_LOOK[str(part)]
        steps = ax.step(
            curve[across], curve["best"] / unit, where="post", color=colour, linestyle="-" if part == SEARCH else "--"
        )
        mark(steps, part)
        points = finished[finished["part"] == part].join(curve[["compute"]]).dropna(subset=[across, column])
        drawn = ax.plot(
            points[across], points[column] / unit, marker, color=colour, markersize=4, alpha=0.55, linestyle="none",
            markeredgewidth=0,
        )  # fmt: skip
        mark(drawn, part, tooltips=_tooltips(points, points[column] / unit))
        _call(ax, points.assign(across=points[across], up=points[column] / unit))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=across == "order"))
    ax.margins(x=0.06)
    return ax


def placement(ax: Axes, cells: pd.DataFrame, *, norm: Normalize) -> QuadMesh:
    """Mean gain by stage and operator, the number of candidates below it; too few of them carry no colour."""
    operators = list(dict.fromkeys(cells["operator"]))
    gains = cells.pivot(index="operator", columns="stage", values="gain").loc[operators]
    counts = cells.pivot(index="operator", columns="stage", values="candidates").loc[operators]
    values = gains.to_numpy(dtype=float)
    few = (counts < FEWEST_FOR_COLOUR).to_numpy()
    mesh = ax.pcolormesh(np.ma.masked_where(few, values), cmap=SCALE, norm=norm, edgecolors="face", linewidth=0.2)
    for row, column in np.argwhere(~np.isnan(values)):
        ink = INK if few[row, column] else ink_on(mesh, values[row, column])
        text = f"{number(values[row, column], 3, signed=True)}\n{counts.iloc[row, column]}"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5, color=ink, linespacing=1.25)
    ax.set_xticks(np.arange(gains.shape[1]) + 0.5, [str(stage) for stage in gains.columns])
    ax.set_yticks(np.arange(len(operators)) + 0.5, [as_label(operator_name(symbol)) for symbol in operators])
    ax.set_ylim(len(operators), 0)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.set_xlabel("Stage")
    return mesh


def effect(ax: Axes, points: pd.DataFrame, effects: pd.DataFrame, parameter: dict[str, Any]) -> Axes:
    """Gain by value of a parameter: one point per candidate, and for each part the mean of each level with interval.

    The levels of a range are the parts that it is cut into. ``effects``: as ``main_effects``, with ``part``.
    """
    listed = parameter.get("values")
    parts = list(dict.fromkeys(points["part"]))
    for place, part in enumerate(parts):
        candidates, (colour, marker) = points[points["part"] == part], PART_LOOK[part]
        shift = 0.0 if listed is None else (place - (len(parts) - 1) / 2) * 0.36
        across = candidates["value"].astype(float) if listed is None else _places(candidates["value"], listed) + shift
        aside = 0.0 if listed is None else jitter(len(candidates), 0.2)
        few = len(candidates) <= MOST_DRAWN_POINTS
        drawn = ax.plot(
            across + aside, candidates["shared_gain"], marker, color=colour, markersize=3.4, alpha=0.45,
            linestyle="none", markeredgewidth=0, rasterized=not few,
        )  # fmt: skip
        mark(drawn, part, tooltips=_tooltips(candidates, candidates["shared_gain"]) if few else ())
        for _, level in effects[effects["part"] == part].iterrows():
            low, middle, high = _extent(level["level"], parameter, shift)
            ax.hlines(level["mean"], low, high, color=colour, linewidth=2)
            if level["candidates"] >= FEWEST_FOR_COLOUR:
                ax.vlines(middle, level["low"], level["high"], color=colour, linewidth=1.2)
    if listed is None:
        ax.set_xscale("log" if parameter.get("log") else "linear")
    else:
        ax.set_xticks(range(len(listed)), [as_label(word(value), lines=9).replace("_", "_\n") for value in listed])
        ax.set_xlim(-0.6, len(listed) - 0.4)
        ax.grid(axis="x", visible=False)
    ax.set_title(as_label(parameter["name"], width=28))
    return ax


def _extent(level: str, parameter: dict[str, Any], shift: float) -> tuple[float, float, float]:
    """Where the mean of a level begins, where its interval is drawn, and where it ends."""
    if "values" in parameter:
        place = [word(value) for value in parameter["values"]].index(level) + shift
        return place - 0.15, place, place + 0.15
    low, high = range_levels(parameter)[level]
    return low, (low * high) ** 0.5 if parameter.get("log") else (low + high) / 2, high


def fidelity(ax: Axes, gains: pd.DataFrame) -> Axes:
    """Final gain against early gain of each finished candidate."""
    for part, rows in gains.groupby("part", sort=False):
        colour, marker = PART_LOOK[str(part)]
        points = ax.plot(rows["early"], rows["gain"], marker, color=colour, markersize=5, alpha=0.8, linestyle="none")
        mark(points, part, tooltips=_tooltips(rows, rows["gain"]))
    _call(ax, gains.assign(across=gains["early"], up=gains["gain"]))
    correlation = rank_correlation(gains["early"], gains["gain"])
    ranks = [] if np.isnan(correlation) else [f"ρ = {number(correlation, 2)}"]
    ax.set_title(", ".join([*ranks, f"n = {len(gains)}"]))
    ax.margins(0.1)
    return ax


def front(ax: Axes, finished: pd.DataFrame, across: Objective, up: Objective) -> Axes:
    """One objective against another; filled where no other candidate is as good in all and better in one."""
    for (part, on_front), rows in finished.groupby(["part", "front"], sort=False):
        colour, marker = PART_LOOK[str(part)]
        face = colour if on_front else "none"
        points = ax.plot(
            rows[across.column] / across.unit, rows[up.column] / up.unit, marker, color=colour, markerfacecolor=face,
            markersize=5, linestyle="none",
        )  # fmt: skip
        mark(points, part, tooltips=_tooltips(rows, rows[up.column] / up.unit))
    _call(ax, finished.assign(across=finished[across.column] / across.unit, up=finished[up.column] / up.unit))
    ax.set_xlabel(across.label)
    ax.set_ylabel(up.label)
    ax.margins(0.1)
    return ax


def _tooltips(candidates: pd.DataFrame, values: "pd.Series[Any]") -> list[str]:
    """What the point of each candidate says: what it is, and its value."""
    rows = zip(candidates["label"], candidates["order"], values, strict=True)
    return [f"{label}: {float(value):.4g}\t{order}" for label, order, value in rows]


def _call(ax: Axes, points: pd.DataFrame) -> None:
    """Write the name of each point that has one beside it, on the side where there is room."""
    middle = (points["across"].min() + points["across"].max()) / 2
    for _, point in points[points["name"] != ""].iterrows():
        place, right = (point["across"], point["up"]), point["across"] > middle
        ax.plot(*place, "o", color=INK, markersize=8, markerfacecolor="none", markeredgewidth=0.9)
        ax.annotate(
            str(point["name"]), place, xytext=(-6 if right else 6, -9), textcoords="offset points", fontsize=7.5,
            color=INK, ha="right" if right else "left",
        )  # fmt: skip


def _places(values: "pd.Series[Any]", listed: Sequence[Any]) -> np.ndarray:
    """The place of each value among those listed."""
    names = [word(entry) for entry in listed]
    return np.array([names.index(word(value)) for value in values], dtype=float)
