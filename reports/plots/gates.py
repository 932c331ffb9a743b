"""Weights of gates, onto Axes: over training, over pairs, and where in the image."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reports.plots.marks import mark
from reports.plots.style import GREY, INK, MOST_HEIGHT, jitter, new_figure

EQUAL = (
    "Dotted: equal weights, which is 0.5 where a gate chooses between the joint and the single-image path, and a third "
    "where it has their correlation as well; above it the gate prefers the joint path."
)
"""What a caption says of the dotted line."""

_COLOURS = mpl.colormaps["PuOr"]
_WEIGHTS = ["joint_weight", "single_weight", "correlation_weight"]


def gate_weight(ax: Axes, gates: pd.DataFrame, arms: pd.DataFrame, stage: int) -> Axes:
    """Weight of the joint path at one stage over training, with the range of the seeds.

    Where an arm's weights do not sum to one, that of the single-image path is a thin line. Dotted: equal weights.
    """
    at_stage = gates[gates["stage"] == stage]
    for _, arm in arms.iterrows():
        weights, colour = at_stage[at_stage["arm"] == arm["arm"]], arm["colour"]
        tied = np.allclose(weights.reindex(columns=_WEIGHTS).sum(axis=1), 1, atol=1e-3)
        for column, width in (("joint_weight", 1.5), ("single_weight", 0.8))[: 1 if tied else 2]:
            seeds = weights.groupby("step")[column]
            mean = seeds.mean()
            if mean.empty:
                continue
            drawn = ax.plot(
                mean.index, mean, linestyle=arm.get("line", "-"), color=colour, linewidth=width,
                marker=arm.get("marker", "o"), markevery=[len(mean) - 1], markersize=4, markeredgewidth=0,
            )  # fmt: skip
            mark(drawn, arm["arm"], tooltips=[f"stage {stage}, step {mean.index[-1]}: {mean.iloc[-1]:.3f}"])
            band = ax.fill_between(mean.index, seeds.min(), seeds.max(), color=colour, alpha=0.2, linewidth=0)
            mark(band, arm["arm"])
    for even in equal_weights(at_stage):
        ax.axhline(even, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_title(f"stage {stage}")
    return ax


def equal_weights(gates: pd.DataFrame) -> list[float]:
    """What each candidate weighs where a gate prefers none: a half, and a third of gates that have correlation too."""
    three = gates.reindex(columns=_WEIGHTS)["correlation_weight"].notna()
    return [1 / count for count, met in ((2, ~three), (3, three)) if met.any()]


def weight_limits(weights: np.ndarray) -> tuple[float, float]:
    """The smallest range around no preference that holds all weights, so that small ones are seen for what they are."""
    half = min(0.5, max(0.05, 1.15 * float(np.nanmax(np.abs(weights - 0.5), initial=0.0))))
    return 0.5 - half, 0.5 + half


def weights_of_pairs(ax: Axes, table: pd.DataFrame, arms: pd.DataFrame) -> Axes:
    """The joint path's weight on each pair, arms beside each other at each stage."""
    stages = sorted(int(stage) for stage in table["stage"].unique())
    pairs = table.groupby(["arm", "stage", "pair"])["joint_weight"].mean()
    width = 0.8 / len(arms)
    for place, (_, arm) in enumerate(arms.iterrows()):
        for at, stage in enumerate(stages):
            values = pairs.get((arm["arm"], stage), pairs.iloc[:0]).to_numpy()
            if not len(values):
                continue
            middle = at + (place - (len(arms) - 1) / 2) * width
            across = middle + jitter(len(values), 0.6 * width)
            points = ax.scatter(across, values, s=9, color=arm["colour"], marker=arm["marker"], alpha=0.55, linewidth=0)
            mean = ax.hlines(
                values.mean(), middle - 0.4 * width, middle + 0.4 * width, color=INK, linewidth=1.2, zorder=3
            )
            mark(mean, arm["arm"])
            mark(points, arm["arm"], tooltips=[f"stage {stages[at]}: {value:.3f}" for value in values])
    for at, stage in enumerate(stages):
        for even in equal_weights(table[table["stage"] == stage]):
            ax.plot([at - 0.45, at + 0.45], [even, even], color=GREY, linewidth=0.8, linestyle=":")
    ax.set_ylim(*weight_limits(pairs.to_numpy()))
    ax.set_xticks(range(len(stages)), [str(stage) for stage in stages])
    ax.grid(axis="x", visible=False)
    ax.set_ylabel("Weight of joint path")
    return ax


def draw_maps(view: Mapping[str, np.ndarray], even: Mapping[int, float], *, aspect: float) -> Figure:
    """One row per slice: the fixed image, then the weight of the joint path at each stage, less the ``even`` weight
    that a gate of that stage gives where it prefers none."""
    stages = list(even)
    slices = view["gate_slices"]
    tall = min(1.7, max(0.6, aspect * view["fixed"].shape[2] / view["fixed"].shape[1]))
    figure = new_figure(1.0)
    figure.set_figheight(min(MOST_HEIGHT, 0.7 + len(slices) * tall * 1.1 * figure.get_figwidth() / 9.6))
    axes = figure.subplots(len(slices), 1 + len(stages), squeeze=False)
    weights = {stage: view[f"gate{stage}"].astype(np.float64) - even[stage] for stage in stages}
    leans = max(0.02, max(float(np.abs(weights[stage]).max()) for stage in stages))
    scale = Normalize(-leans, leans)
    for row, place in enumerate(slices):
        _show(axes[row, 0], view["fixed"][place], aspect, cmap="gray", norm=Normalize(0, 255))
        for ax, stage in zip(axes[row, 1:], stages, strict=True):
            _show(ax, weights[stage][row], aspect, cmap=_COLOURS, norm=scale)
    for ax, title in zip(axes[0], ["Fixed", *(f"Stage {stage}" for stage in stages)], strict=True):
        ax.set_title(title, loc="center", fontsize=8.5)
    bar = figure.colorbar(ScalarMappable(scale, _COLOURS), ax=list(axes.flat), shrink=0.7, aspect=30, pad=0.01)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    return figure


def _show(ax: Axes, image: np.ndarray, aspect: float, **how: object) -> None:
    ax.imshow(image.T, origin="lower", aspect=aspect, interpolation="none", **how)  # type: ignore[arg-type]
    ax.set_axis_off()
