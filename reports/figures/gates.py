"""What gates do: their weights over pairs, and where in the image they lean to which path."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fusemorph.records import RecordError
from reports.analysis.comparison import Comparison
from reports.figures.captioned import Drawing
from reports.figures.pairs import aspect_of, pictured_arms
from reports.plots.arms import legend
from reports.plots.style import GREY, INK, WIDTH, dressed, style
from reports.records.files import read_pictures
from reports.tables.table import caption
from reports.wording import number

MOST_MAPPED_ARMS = 4
_COLOURS = mpl.colormaps["PuOr"]


def gate_drawings(comparison: Comparison) -> Iterator[Drawing]:
    """Weights over pairs, then the maps of each arm that has some."""
    comparison = replace(comparison, arms=dressed(comparison.arms, comparison.baseline))
    with style():
        yield over_pairs(comparison)
    maps = (drawn for arm in pictured_arms(comparison) if (drawn := gate_maps(comparison, arm)) is not None)
    for place, drawing in zip(range(MOST_MAPPED_ARMS), maps, strict=False):
        yield replace(drawing, name=f"gate_maps{place}")


def over_pairs(comparison: Comparison) -> Drawing:
    """Weight of the joint path on each evaluated pair, by stage and arm."""
    drawing = Drawing(name="pair_gates", title=f"Gate weights over the {comparison.records.split} pairs", caption="")
    table = comparison.records.pair_gates
    shown = comparison.arms[comparison.arms["arm"].isin(table["arm"])]
    if shown.empty:
        return replace(drawing, caption="No weights of gates were recorded with the evaluated pairs: nothing is drawn.")
    figure = Figure(figsize=(WIDTH, 2.7))
    ax = weights_of_pairs(figure.subplots(), table, shown)
    if len(shown) > 1:
        figure.legend(handles=legend(shown, groups=False)[0], loc="outside upper left", ncols=4)
    text = (
        "Each point is a pair (mean over seeds and voxels); the line is their mean. Dotted: 0.5, no preference. "
        "Above it the gate leans to the joint path, below to the single-image path."
    )
    means = table.groupby("stage")["joint_weight"].mean()
    said = "; ".join(f"stage {stage:g} {number(weight, 2)}" for stage, weight in means.items())
    alt = f"Points of the joint path's gate weight on each pair, by stage. Means over arms: {said}"
    ax.set_xlabel("Stage")
    return replace(drawing, caption=caption(text, comparison.records), alt=alt, figure=figure)


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
            across = middle + (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.6 * width
            ax.scatter(across, values, s=6, color=arm["colour"], alpha=0.5, linewidth=0)
            ax.hlines(values.mean(), middle - 0.4 * width, middle + 0.4 * width, color=INK, linewidth=1.2, zorder=3)
    ax.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    # The smallest range around no preference that holds all weights, so that small ones are seen for what they are.
    half = min(0.5, max(0.05, 1.15 * float((pairs - 0.5).abs().max())))
    ax.set_ylim(0.5 - half, 0.5 + half)
    ax.set_xticks(range(len(stages)), [str(stage) for stage in stages])
    ax.grid(axis="x", visible=False)
    ax.set_ylabel("Weight of joint path")
    return ax


def gate_maps(comparison: Comparison, arm: str) -> Drawing | None:
    """Maps of an arm's gates on slices of its median pair; None where none was recorded."""
    pictures = comparison.records.pictures[arm]
    path = pictures.path.with_name("viewer.npz")
    try:
        view = read_pictures(path) if path.is_file() else {}
    except RecordError:
        return None  # the viewer says so
    stages = sorted(int(name[4:]) for name in view if name.startswith("gate") and name[4:].isdigit())
    if not stages or any(view[f"gate{stage}"].shape != _slices_shape(view) for stage in stages):
        return None
    about = pictures.pairs.get("median", {})
    with style():
        figure = draw_maps(view, stages, aspect=aspect_of(comparison, about))
    axis = f"slices along axis {int(view['axis'])}" if int(view["axis"]) >= 0 else "plane"
    places = view["slices"][view["gate_slices"]].tolist()
    text = (
        f"Median pair {str(about.get('pair', '')).replace('<-', ' ← ')}, seed {pictures.seed}, {axis} at "
        f"{', '.join(map(str, places))}. Weight of the joint path, mean over channels: purple leans to the joint path, "
        "orange to the single-image path, white to neither. Stages are drawn on the image's grid, finer than they are."
    )
    mean = "; ".join(
        f"stage {stage} {number(float(view[f'gate{stage}'].mean(dtype=np.float64)), 2)}" for stage in stages
    )
    alt = f"Maps of the weight of the joint path for {arm}, a column a stage, a row a slice. Means: {mean}"
    title = f"Where the gates of {arm} lean"
    return Drawing(name="gate_maps", title=title, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _slices_shape(view: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    known = {"fixed", "gate_slices", "slices", "axis"} <= set(view)
    return (len(view["gate_slices"]), *view["fixed"].shape[1:]) if known else ()


def draw_maps(view: Mapping[str, np.ndarray], stages: list[int], *, aspect: float) -> Figure:
    """A row a slice: the fixed image, then the weight of the joint path at each stage."""
    slices = view["gate_slices"]
    tall = min(1.7, max(0.6, aspect * view["fixed"].shape[2] / view["fixed"].shape[1]))
    figure = Figure(figsize=(9.6, 0.7 + len(slices) * tall * 1.1))
    axes = figure.subplots(len(slices), 1 + len(stages), squeeze=False)
    leans = max(0.02, max(float(np.abs(view[f"gate{stage}"].astype(np.float64) - 0.5).max()) for stage in stages))
    scale = Normalize(0.5 - leans, 0.5 + leans)
    for row, place in enumerate(slices):
        _show(axes[row, 0], view["fixed"][place], aspect, cmap="gray", norm=Normalize(0, 255))
        for ax, stage in zip(axes[row, 1:], stages, strict=True):
            _show(ax, view[f"gate{stage}"][row].astype(np.float64), aspect, cmap=_COLOURS, norm=scale)
    for ax, title in zip(axes[0], ["Fixed", *(f"Stage {stage}" for stage in stages)], strict=True):
        ax.set_title(title, loc="center", fontsize=8.5)
    bar = figure.colorbar(ScalarMappable(scale, _COLOURS), ax=list(axes.flat), shrink=0.7, aspect=30, pad=0.01)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    return figure


def _show(ax: Axes, image: np.ndarray, aspect: float, **how: object) -> None:
    ax.imshow(image.T, origin="lower", aspect=aspect, interpolation="none", **how)  # type: ignore[arg-type]
    ax.set_axis_off()
