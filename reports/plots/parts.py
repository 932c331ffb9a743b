"""The look of a search and of its random control, the same in every figure."""

from collections.abc import Mapping

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.plots.style import COLOURS, as_label
from reports.records.definitions import CONTROL, SEARCH

PART_LOOK = {SEARCH: (COLOURS[0], "o"), CONTROL: (COLOURS[1], "s")}
SCALE = "cividis"
FEWEST_FOR_COLOUR = 3
PANELS_A_ROW = 3
# Ink on coloured cells, which stay the same in every theme.
_ON_DARK, _ON_LIGHT = "#ffffff", "#101418"


def ink_on(mesh: QuadMesh, value: float) -> str:
    """The ink that can be read on the colour of a value."""
    red, green, blue, _ = mesh.to_rgba(np.array([value]))[0]
    return _ON_LIGHT if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else _ON_DARK


def part_legend(figure: Figure, names: Mapping[str, str], *, lines: bool = False) -> None:
    """Which colour is the search, and which its control, by their ``names``; with the ``lines`` of their curves."""
    if CONTROL not in names:
        return
    handles = []
    for part, (colour, marker) in ((part, look) for part, look in PART_LOOK.items() if part in names):
        line = Line2D([], [], color=colour, marker=marker, markersize=5, label=as_label(names[part]))
        line.set_linestyle("none" if not lines else "-" if part == SEARCH else "--")
        handles.append(line)
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
