"""Scales, the front and the arrow of figures in which arms stand against what they cost."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, SymmetricalLogLocator

from reports.plots.style import GREY, INK
from reports.records.metric import Metric


def front_steps(ax: Axes, places: np.ndarray) -> None:
    """The front (n, 2) of arms, from the least across, as steps below and beside which no arm is better in both."""
    if len(places) > 1:
        ax.step(places[:, 0], places[:, 1], where="post", color=GREY, linewidth=0.9, zorder=1)


def stretched_at_zero(ax: Axes, values: "pd.Series[float]") -> None:
    """An axis on which 0 and values orders of magnitude apart are all told from each other."""
    least = float(values[values > 0].min())
    ax.set_xscale("symlog", linthresh=10.0 ** np.floor(np.log10(least)), linscale=0.6)
    ax.set_xlim(left=-0.15 * 10.0 ** np.floor(np.log10(least)))
    locator = SymmetricalLogLocator(ax.xaxis.get_transform(), subs=[1.0])
    locator.set_params(numticks=6)
    ax.xaxis.set_major_locator(locator)


def logarithmic(ax: Axes) -> None:
    """A logarithmic axis with its values in full."""
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def better_corner(ax: Axes, metric: Metric, *, less_across: bool = True) -> None:
    """An arrow above the Axes, where no arm lies, towards what would be better in both: less across, better up."""
    ends = [(0.0, 1.055), (0.06, 1.015)] if metric.higher_is_better else [(0.0, 1.015), (0.06, 1.055)]
    end, start = ends if less_across else [(1 - across, up) for across, up in ends]
    ax.annotate(
        "", end, start, xycoords="axes fraction", textcoords="axes fraction", annotation_clip=False,
        arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    ax.annotate(
        "better", (start[0], 1.035), xytext=(4 if less_across else -4, 0), xycoords="axes fraction",
        textcoords="offset points", color=INK, fontsize=7.5, ha="left" if less_across else "right", va="center",
    )  # fmt: skip
