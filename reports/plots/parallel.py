"""Candidates of a search as lines over parallel axes, one a setting, the last their gain."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from reports.plots.marks import mark
from reports.plots.parts import SCALE
from reports.plots.style import BACKGROUND, FAINT, INK, as_label, jitter
from reports.records.definitions import SEARCH
from reports.wording import number

MOST_LINES = 400


def parallel_coordinates(ax: Axes, levels: pd.DataFrame, candidates: pd.DataFrame) -> Axes:
    """One line per candidate through the ``levels`` that it chose (ordered categories, one column each) to its gain.

    ``candidates``: ``part``, ``order``, ``label`` and ``shared_gain``, of the same index. Light lines gained most and
    lie on top; those of the control are dashed. Of more than 400 candidates the best and the worst 200 are drawn.
    """
    gains = candidates["shared_gain"].astype(float)
    least, most = float(gains.min()), max(float(gains.max()), float(gains.min()) + 1e-9)
    norm = Normalize(least, most)
    drawn = gains.sort_values(kind="stable").index
    half = MOST_LINES // 2
    drawn = drawn if len(drawn) <= MOST_LINES else drawn[:half].append(drawn[-half:])
    heights = pd.DataFrame({name: _heights(levels[name]) for name in levels}, index=levels.index)
    for place in drawn:
        row, gain = candidates.loc[place], float(gains.loc[place])
        path = [*heights.loc[place], float(norm(gain))]
        (line,) = ax.plot(
            range(len(path)), path, color=mpl.colormaps[SCALE](0.08 + 0.8 * float(norm(gain))), linewidth=1.1,
            alpha=0.75,
            linestyle="-" if row["part"] == SEARCH else "--",
        )  # fmt: skip
        mark(line, row["part"], tooltips=[f"{row['label']}: gain {number(gain, 4, signed=True)}\t{row['order']}"])
    for place, name in enumerate(levels):
        ax.axvline(place, color=FAINT, linewidth=0.8, zorder=0.5)
        categories = levels[name].cat.categories
        for order, level in enumerate(categories):
            height = 0.5 if len(categories) == 1 else order / (len(categories) - 1)
            ax.text(
                place, height, as_label(level, width=14), fontsize=6.5, color=INK, ha="center", va="center",
                bbox={"facecolor": BACKGROUND, "edgecolor": "none", "alpha": 0.95, "pad": 1.0}, zorder=4,
            )  # fmt: skip
    ax.set_xticks(
        range(levels.shape[1] + 1),
        [*(as_label(str(name).replace(".", ". ").replace("_", " "), width=14) for name in levels), "gain"],
    )
    ax.yaxis.tick_right()
    ends = np.linspace(0, 1, 5)
    ax.set_yticks(ends, [number(least + end * (most - least), 3, signed=True) for end in ends])
    ax.set_ylim(-0.06, 1.06)
    ax.set_xlim(-0.4, levels.shape[1] + 0.1)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    return ax


def _heights(levels: "pd.Series[str]") -> np.ndarray:
    """Places of ordered categories between 0 and 1, apart by a little so that lines of one level can be followed."""
    count = len(levels.cat.categories)
    codes = np.asarray(levels.cat.codes, dtype=float)
    places: np.ndarray = np.full(len(levels), 0.5) if count == 1 else codes / (count - 1)
    room = 0.05 / max(1, count - 1)
    shifted: np.ndarray = places + jitter(len(levels), room)
    return shifted
