"""One function a figure of an ablation: tables onto Axes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from reports.plots.parts import FEWEST_FOR_COLOUR, PART_LOOK, SCALE, ink_on
from reports.plots.style import BACKGROUND, COLOURS, GREY, INK, as_label
from reports.records.plans import is_plan
from reports.statistics.importance import LEVEL
from reports.wording import number

FRAME = COLOURS[1]
MOST_NAMED_CHANGES = 2
"""Changes in one label."""


def main_effects(ax: Axes, effects: pd.DataFrame) -> Axes:
    """Mean gain by level of each setting, side by side, by part; with intervals where three candidates have a level."""
    places = _level_places(effects)
    parts = list(dict.fromkeys(effects["part"]))
    for order, (part, rows) in enumerate(effects.groupby("part", sort=False)):
        colour, marker = PART_LOOK[str(part)]
        shift = (order - (len(parts) - 1) / 2) * 0.3
        across = np.array([places[name] for name in zip(rows["setting"], rows["level"], strict=True)]) + shift
        several = (rows["candidates"] >= FEWEST_FOR_COLOUR).to_numpy()
        ax.vlines(across[several], rows["low"][several], rows["high"][several], color=colour, linewidth=1.4)
        for chosen, face in ((several, colour), (~several, BACKGROUND)):
            ax.plot(
                across[chosen], rows["mean"][chosen], marker, color=colour, markersize=4, linestyle="none",
                markerfacecolor=face,
            )  # fmt: skip
        first = rows[rows["setting"] == rows["setting"].iloc[0]]
        ax.axhline(np.average(first["mean"], weights=first["candidates"]), color=colour, linewidth=0.6, linestyle=":")
    ax.set_xticks(list(places.values()), [as_label(level, width=24) for _, level in places], rotation=90)
    for setting in dict.fromkeys(setting for setting, _ in places):
        middle = float(np.mean([place for (name, _), place in places.items() if name == setting]))
        ax.text(
            middle,
            1.02,
            as_label(setting, width=16),
            ha="center",
            va="bottom",
            transform=ax.get_xaxis_transform(),
            color=INK,
        )
    ax.set_xlim(-0.8, max(places.values()) + 0.8)
    ax.grid(axis="x", visible=False)
    return ax


def _level_places(effects: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The place of each level of each setting, with a gap between settings."""
    distinct = effects.drop_duplicates(["setting", "level"])
    settings = list(dict.fromkeys(distinct["setting"]))
    ordered = sorted(
        zip(distinct["setting"], distinct["place"], distinct["level"], strict=True),
        key=lambda entry: (settings.index(entry[0]), entry[1]),
    )
    return {
        (setting, level): order + 1.0 * settings.index(setting) for order, (setting, _, level) in enumerate(ordered)
    }


def importance(ax: Axes, shares: pd.DataFrame) -> Axes:
    """Importance by setting for each part, filled where it is above chance; dotted: what chance reaches."""
    names = list(dict.fromkeys(shares["setting"]))
    parts = list(dict.fromkeys(shares["part"]))
    for place, (part, rows) in enumerate(shares.groupby("part", sort=False)):
        colour, marker = PART_LOOK[str(part)]
        up = np.array([names.index(name) for name in rows["setting"]]) + (place - (len(parts) - 1) / 2) * 0.3
        ax.hlines(up, 0, rows["importance"], color=colour, linewidth=0.8, alpha=0.6)
        for shown, face in ((rows["p_value"] <= LEVEL, colour), (rows["p_value"] > LEVEL, BACKGROUND)):
            ax.plot(
                rows["importance"][shown], up[shown.to_numpy()], marker, color=colour, markerfacecolor=face,
                markersize=5, linestyle="none",
            )  # fmt: skip
        ax.axvline(rows["chance"].iloc[0], color=colour, linestyle=":", linewidth=1.1)
    ax.set_yticks(range(len(names)), [as_label(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.grid(axis="y", visible=False)
    return ax


def interactions(ax: Axes, pairs: pd.DataFrame, *, norm: Normalize) -> QuadMesh:
    """What each pair of settings adds beside the two, as a triangle; framed where it is above chance."""
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    values = np.full((len(names), len(names)), np.nan)
    for _, pair in pairs.iterrows():
        row, column = names.index(pair["second"]), names.index(pair["first"])
        values[row, column] = pair["importance"]
        if pair["p_value"] <= LEVEL:
            ax.add_patch(Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, fill=False, edgecolor=FRAME, zorder=3))
    mesh = ax.pcolormesh(np.ma.masked_invalid(values), cmap=SCALE, norm=norm, edgecolors="face", linewidth=0.2)
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        text, ink = number(100 * value, 0 if len(names) > 8 else 1), ink_on(mesh, value)
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5, color=ink)
    ax.set_xticks(np.arange(len(names) - 1) + 0.5, [as_label(name) for name in names[:-1]], rotation=90)
    ax.set_yticks(np.arange(1, len(names)) + 0.5, [as_label(name) for name in names[1:]])
    ax.set_xlim(0, len(names) - 1)
    ax.set_ylim(len(names), 1)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    return mesh


def ablation_path(ax: Axes, steps: pd.DataFrame) -> Axes:
    """Gain along a path: filled at the early step, hollow at the end of training; a cross where nobody trained."""
    places = np.arange(len(steps))
    for column, colour, marker, face in (("gain", COLOURS[0], "o", COLOURS[0]), ("final", COLOURS[1], "s", BACKGROUND)):
        measured = steps[column].notna().to_numpy()
        values = steps[column].to_numpy(dtype=float)
        # Whole lines join neighbours alone; across a gap the line is dotted.
        ax.plot(places[measured], values[measured], color=colour, linestyle=":", linewidth=0.9)
        ax.plot(places, values, marker=marker, color=colour, markerfacecolor=face, markersize=5, linewidth=1.3)
    gaps = places[steps["gain"].isna().to_numpy()]
    if len(gaps):  # an empty line that is not clipped would count as a point at the corner of the figure
        ax.plot(
            gaps, np.zeros(len(gaps)), "x", color=GREY, markersize=6, transform=ax.get_xaxis_transform(), clip_on=False
        )
    ax.set_xticks(places, [_step(row["configuration"], row["change"]) for _, row in steps.iterrows()], fontsize=6.3)
    ax.tick_params(axis="x", pad=6)
    ax.set_xlim(-0.5, len(steps) - 0.5)
    ax.margins(y=0.15)
    return ax


def _step(configuration: str, change: str) -> str:
    """A step as the label of a tick: its plan, and what was changed, in short lines."""
    parts = change.split(", ")
    more = f"\nand {len(parts) - MOST_NAMED_CHANGES} more" if len(parts) > MOST_NAMED_CHANGES else ""
    words = ",\n".join(parts[:MOST_NAMED_CHANGES]).replace(" → ", "\n→ ") + more
    plan = configuration.split(",")[0]
    text = f"{plan}\n{words}" if is_plan(plan) else words or "start"
    return "\n".join(as_label(line, width=28) for line in text.split("\n"))
