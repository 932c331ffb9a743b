"""What gates do: their weights over pairs, and where in the image they lean to which path."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from fusemorph.storage import RecordError
from reports.analysis.arms import without_optimised
from reports.analysis.comparison import Comparison
from reports.figures.against import legend_above
from reports.figures.captioned import CaptionedFigure
from reports.figures.pairs import aspect_of, pictured_arms
from reports.plots.gates import EQUAL, draw_maps, equal_weights, weights_of_pairs
from reports.plots.style import new_figure, style, with_colours
from reports.records.files import read_pictures
from reports.tables.table import caption
from reports.wording import number

MOST_MAPPED_ARMS = 4


def gate_figures(comparison: Comparison) -> Iterator[CaptionedFigure]:
    """Weights over pairs, then the maps of each arm that has some."""
    comparison = replace(comparison, arms=with_colours(comparison.arms, comparison.baseline))
    with style():
        yield over_pairs(comparison)
    maps = (drawn for arm in pictured_arms(comparison) if (drawn := gate_maps(comparison, arm)) is not None)
    for place, captioned in zip(range(MOST_MAPPED_ARMS), maps, strict=False):
        yield replace(captioned, name=f"gate_maps{place}")


def over_pairs(comparison: Comparison) -> CaptionedFigure:
    """Weight of the joint path on each evaluated pair, by stage and arm."""
    captioned = CaptionedFigure(
        name="pair_gates", title=f"Gate weights over the {comparison.records.split} pairs", caption=""
    )
    table = comparison.records.pair_gates
    arms = without_optimised(comparison.arms)
    shown = arms[arms["arm"].isin(table["arm"])]
    if shown.empty:
        return replace(
            captioned, caption="No weights of gates were recorded with the evaluated pairs: nothing is drawn."
        )
    table = table[table["arm"].isin(shown["arm"])]
    figure = new_figure(2.7)
    ax = weights_of_pairs(figure.subplots(), table, shown)
    if len(shown) > 1:
        legend_above(figure, shown.assign(family=shown["arm"], group=""))
    text = (
        f"Each point is a pair (mean over seeds and voxels); the line is their mean. {EQUAL} Arms stand in the order "
        "of the legend."
    )
    means = table.groupby("stage")["joint_weight"].mean()
    values = "; ".join(f"stage {stage:g} {number(weight, 2)}" for stage, weight in means.items())
    alt = f"Points of the joint path's gate weight on each pair, by stage. Means over arms: {values}"
    ax.set_xlabel("Stage")
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def gate_maps(comparison: Comparison, arm: str) -> CaptionedFigure | None:
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
        figure = draw_maps(view, _even_weights(comparison, arm, stages), aspect=aspect_of(comparison, about))
    axis = f"slices along axis {int(view['axis'])}" if int(view["axis"]) >= 0 else "plane"
    places = view["slices"][view["gate_slices"]].tolist()
    text = (
        f"Median pair {str(about.get('pair', '')).replace('<-', ' ← ')}, seed {pictures.seed}, {axis} at "
        f"{', '.join(map(str, places))}. Weight of the joint path less equal weights (0.5, or a third where "
        "correlation is a candidate too), mean over channels: purple above, orange below. Stages are drawn on the "
        "image's grid, finer than they are."
    )
    mean = "; ".join(
        f"stage {stage} {number(float(view[f'gate{stage}'].mean(dtype=np.float64)), 2)}" for stage in stages
    )
    alt = f"Maps of the weight of the joint path for {arm}, one column per stage, one row per slice. Means: {mean}"
    title = f"Where the gates of {arm} prefer which path"
    return CaptionedFigure(
        name="gate_maps", title=title, caption=caption(text, comparison.records), alt=alt, figure=figure
    )


def _even_weights(comparison: Comparison, arm: str, stages: list[int]) -> dict[int, float]:
    """What each candidate of an arm's gate weighs at each stage where it prefers none, as far as weights were read."""
    gates = comparison.records.pair_gates
    gates = gates[gates["arm"] == arm] if len(gates) else gates
    return {
        stage: min(equal_weights(gates[gates["stage"] == stage]), default=0.5) if len(gates) else 0.5
        for stage in stages
    }


def _slices_shape(view: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    complete = {"fixed", "gate_slices", "slices", "axis"} <= set(view)
    return (len(view["gate_slices"]), *view["fixed"].shape[1:]) if complete else ()


gate_drawings = gate_figures
"""The name that the gallery once gave."""
