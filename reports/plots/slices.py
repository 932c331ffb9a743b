"""An arm's best, median and worst pair: what went in, what came out, and what the field did in between."""

from collections.abc import Iterator, Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports.plots.style import INK, MOST_HEIGHT, as_label, new_figure

RANKS = ("best", "median", "worst")
COLUMNS = ("Fixed", "Moving", "Warped", "Fixed − warped", "Deformed grid", "Determinant", "Outlines")
NEEDED = ("fixed", "moving", "warped", "fixed_labels", "warped_labels", "displacement", "determinant")
FOLDED = "black"
FIXED_LINE, WARPED_LINE = "#56b4e9", "#e69f00"
LONGEST_SIDE = 160
WIDEST = 9.6
"""Inches in which heights of rows are given; they shrink with the figure."""
_GRID_LINES = 22

Slices = Mapping[str, np.ndarray]


def of_pair(pictures: Slices, rank: str) -> dict[str, np.ndarray] | None:
    """The slices of one pair, thinned to at most ``LONGEST_SIDE`` pixels; None where one is missing or misshapen."""
    if any(f"{rank}_{name}" not in pictures for name in NEEDED):
        return None
    slices = {name: pictures[f"{rank}_{name}"] for name in NEEDED}
    shape = slices["fixed"].shape
    if len(shape) != 2 or any(image.shape[-2:] != shape for image in slices.values()):
        return None
    stride = int(np.ceil(max(shape) / LONGEST_SIDE))
    thinned = {name: image[..., ::stride, ::stride] for name, image in slices.items()}
    thinned["displacement"] = thinned["displacement"].astype(np.float64) / stride
    return thinned


def draw_pairs(pairs: Mapping[str, Slices], titles: Mapping[str, str], aspects: Mapping[str, float]) -> Figure:
    """A row for each pair, titled by ``titles``; ``aspects`` are the heights of a pixel over its width."""
    figure = new_figure(1.0)
    share = figure.get_figwidth() / WIDEST
    heights = [share * _height(slices, aspects[rank]) for rank, slices in pairs.items()]
    figure.set_figheight(min(MOST_HEIGHT, 0.8 + sum(heights)))
    ratios = [*heights, 0.05]
    rows = figure.subplots(len(ratios), len(COLUMNS), squeeze=False, gridspec_kw={"height_ratios": ratios})
    for row, (rank, slices) in zip(rows, pairs.items(), strict=False):
        draw_pair(row, slices, aspect=aspects[rank])
        row[0].set_ylabel(
            "\n".join(as_label(line, width=32) for line in titles[rank].splitlines()),
            fontsize=7.5,
            rotation=0,
            ha="right",
            va="center",
            labelpad=6,
        )
    for ax, title in zip(rows[0], COLUMNS, strict=True):
        ax.set_title(as_label(title, width=11), loc="center", fontsize=8.5)
    _scales(figure, rows[-1])
    return figure


def _height(slices: Slices, aspect: float) -> float:
    """Height in inches of a row whose pictures are as wide as the columns allow."""
    width, height = slices["fixed"].shape
    return 1.2 * min(1.7, max(0.5, aspect * int(height) / int(width)))


def _scales(figure: Figure, row: np.ndarray) -> None:
    """Colour bars below the columns that need them."""
    for ax in row:
        ax.set_axis_off()
    bars = (
        (ScalarMappable(_difference_scale(), "RdBu_r"), "Fixed − warped", [-0.5, 0, 0.5]),
        (ScalarMappable(determinant_scale(), determinant_colours()), "Determinant", [0, 1, 2]),
    )
    for mappable, column, ticks in bars:
        ax = row[COLUMNS.index(column)]
        ax.set_axis_on()
        bar = figure.colorbar(mappable, cax=ax, orientation="horizontal", ticks=ticks)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.outline.set_visible(False)


def draw_pair(axes: np.ndarray, slices: Slices, *, aspect: float) -> None:
    """The seven pictures of a pair, array axis 0 to the right and axis 1 upwards."""
    fixed, warped = (slices[name].astype(np.float64) / 255 for name in ("fixed", "warped"))
    shown = (slices["fixed"], slices["moving"], slices["warped"])
    for ax, image in zip(axes[:3], shown, strict=True):
        _show(ax, image, aspect, cmap="gray", norm=Normalize(0, 255))
    _show(axes[3], fixed - warped, aspect, cmap="RdBu_r", norm=_difference_scale())
    deformed_grid(axes[4], slices["displacement"], aspect=aspect)
    determinant = slices["determinant"].astype(np.float64)
    _show(axes[5], determinant, aspect, cmap=determinant_colours(), norm=determinant_scale())
    _show(axes[6], slices["fixed"] // 2, aspect, cmap="gray", norm=Normalize(0, 255))
    outlines(axes[6], slices["fixed_labels"], FIXED_LINE)
    outlines(axes[6], slices["warped_labels"], WARPED_LINE)


def deformed_grid(ax: Axes, displacement: np.ndarray, *, aspect: float) -> Axes:
    """Lines of the voxel grid where ``x + u(x)`` takes them."""
    places = np.indices(displacement.shape[1:]) + displacement
    every = max(1, round(max(displacement.shape[1:]) / _GRID_LINES))
    lines = [places[:, row, :].T for row in range(0, places.shape[1], every)]
    lines += [places[:, :, column].T for column in range(0, places.shape[2], every)]
    ax.add_collection(LineCollection(lines, colors=INK, linewidths=0.45))
    _frame(ax, displacement.shape[1:], aspect)
    return ax


def outlines(ax: Axes, labels: np.ndarray, colour: str) -> Axes:
    """The edges between pixels of different labels."""
    across = [[(row + 0.5, start), (row + 0.5, end)] for row, start, end in _runs(labels[1:] != labels[:-1])]
    along = [[(start, row + 0.5), (end, row + 0.5)] for row, start, end in _runs((labels[:, 1:] != labels[:, :-1]).T)]
    if edges := across + along:
        # One path for all: an element for each would make most of the page.
        path = Path.make_compound_path(*(Path(edge) for edge in edges))
        ax.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=0.9, capstyle="projecting"))
    return ax


def _runs(edges: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Row, start and end of each unbroken run of True along the rows."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    turns = np.diff(padded, axis=1)
    starts, ends = np.argwhere(turns == 1), np.argwhere(turns == -1)
    for (row, start), (_, end) in zip(starts, ends, strict=True):
        yield int(row), start - 0.5, end - 0.5


def _show(ax: Axes, image: np.ndarray, aspect: float, **how: object) -> None:
    ax.imshow(image.T, origin="lower", interpolation="none", **how)  # type: ignore[arg-type]
    _frame(ax, image.shape, aspect)


def _frame(ax: Axes, shape: tuple[int, ...], aspect: float) -> None:
    ax.set_xlim(-0.5, shape[0] - 0.5)
    ax.set_ylim(-0.5, shape[1] - 0.5)
    ax.set_aspect(aspect)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _difference_scale() -> Normalize:
    return Normalize(-0.5, 0.5)


def determinant_scale() -> Normalize:
    """From 0 to 2, 1 in the middle."""
    return TwoSlopeNorm(1.0, vmin=0.0, vmax=2.0)


def determinant_colours() -> Colormap:
    """Brown shrinks, green grows, white keeps; black is folded.

    The dark ends of the scale are left out, so that nothing on it is near black.
    """
    kept = mpl.colormaps["BrBG"](np.linspace(0.18, 0.82, 256))
    return LinearSegmentedColormap.from_list("determinant", list(map(tuple, kept))).with_extremes(under=FOLDED)
