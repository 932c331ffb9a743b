"""A figure with its words."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from reports.plots.style import WIDTH


@dataclass(frozen=True, kw_only=True)
class CaptionedFigure:
    """A figure with its words; ``figure`` is None where ``caption`` says why there is none."""

    name: str
    title: str
    caption: str = ""
    alt: str = ""
    figure: Figure | None = None


def new_figure(height: float) -> Figure:
    """An empty figure as wide as the page's column, ``height`` in inches."""
    return Figure(figsize=(WIDTH, height))
