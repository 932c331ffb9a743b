"""A plan as a diagram of the three paths: fixed, joint and moving, with the operator of each stage."""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from reports.plots.style import COLOURS, FAINT, GREY, INK, as_label
from reports.records.plans import (
    DEAD,
    FEEDS,
    STAGES,
    canonical,
    is_coarse_to_fine,
    joint_stages,
    operator_name,
    reads_single,
    single_stages,
    stage_symbols,
)

HEIGHTS = {"fixed": 1.0, "joint": 0.0, "moving": -1.0}
OPERATOR_COLOURS = dict(zip("jsgcdpqm", COLOURS, strict=True))
_RESOLUTIONS = ("1/2", "1/4", "1/8", "1/16", "1/8", "1/4", "1/2")
_ON_COLOUR = "#ffffff"


def diagram(ax: Axes, plan: str) -> Axes:
    """The seven stages from left to right: the joint path with its operators between the two single-image paths.

    A line to an operator says that it reads that path, an arc that a stage's output is read across the U-Net. What is
    not computed, or not read by anything, is grey.
    """
    plan = canonical(plan)
    symbols = stage_symbols(plan)
    single = single_stages(plan)
    for path in ("fixed", "moving"):
        for stage in STAGES:
            _square(ax, stage, HEIGHTS[path], alive=stage in single)
        for start, end in _edges():
            _line(ax, start, end, HEIGHTS[path], alive=end in single)
    for start, end in _edges():
        _line(ax, start, end, HEIGHTS["joint"], alive=symbols[start - 1] != DEAD and end in joint_stages(plan))
    for stage, symbol in zip(STAGES, symbols, strict=True):
        _operator(ax, stage, symbol)
    ax.set_xlim(0.45, 7.55)
    ax.set_ylim(-1.6, 1.6)
    ax.set_xticks(STAGES, [f"{stage}\n{size}" for stage, size in zip(STAGES, _RESOLUTIONS, strict=True)], fontsize=6.5)
    ax.set_yticks(list(HEIGHTS.values()), list(HEIGHTS), fontsize=7)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def reading(plan: str) -> str:
    """What a diagram shows, in words."""
    stages = zip(STAGES, stage_symbols(canonical(plan)), strict=True)
    words = ", ".join(f"{stage} {operator_name(symbol)}" for stage, symbol in stages)
    decoding = "; decoded from coarse to fine" if is_coarse_to_fine(plan) else ""
    return f"{canonical(plan)}: stage {words}{decoding}"


def _edges() -> Iterator[tuple[int, int]]:
    return ((start, end) for start, ends in FEEDS.items() for end in ends)


def _line(ax: Axes, start: int, end: int, height: float, *, alive: bool) -> None:
    """From a stage to the next, or in an arc to the one across; the arcs of each path turn outwards."""
    colour, width, order = (INK, 0.9, 2.0) if alive else (FAINT, 0.7, 1.0)
    if end == start + 1:
        ax.plot([start, end], [height, height], color=colour, linewidth=width, zorder=order)
        return
    bend = -0.11 - 0.02 * (7 - end) if height >= 0 else 0.11 + 0.02 * (7 - end)
    arc = FancyArrowPatch(
        (start, height), (end, height), arrowstyle="-", connectionstyle=f"arc3,rad={bend}", color=colour,
        linewidth=width * 0.8, shrinkA=0, shrinkB=0, zorder=order,
    )  # fmt: skip
    ax.add_patch(arc)


def _square(ax: Axes, stage: int, height: float, *, alive: bool) -> None:
    colour, size = (GREY, 6) if alive else (FAINT, 4)
    ax.plot(stage, height, "s", color=colour, markersize=size, markeredgewidth=0, zorder=4)


def _operator(ax: Axes, stage: int, symbol: str) -> None:
    """The operator's letter, and lines to the two images' paths where it reads them."""
    if symbol == DEAD:
        ax.plot(stage, 0, "o", color=FAINT, markersize=5, markeredgewidth=0, zorder=4)
        return
    colour = OPERATOR_COLOURS.get(symbol, GREY)
    if reads_single(symbol):
        ax.plot([stage, stage], [-1, 1], color=colour, linewidth=1.6, zorder=3)
    ax.plot(stage, 0, "o", color=colour, markersize=11, markeredgewidth=0, zorder=5)
    ax.text(
        stage,
        -0.02,
        as_label(symbol),
        ha="center",
        va="center",
        color=_ON_COLOUR,
        fontsize=7.5,
        weight="bold",
        zorder=6,
    )
