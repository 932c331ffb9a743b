"""A figure with its words."""

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class CaptionedFigure:
    """A figure with its words; ``figure`` is None where ``caption`` says why there is none."""

    name: str
    title: str
    caption: str = ""
    alt: str = ""
    figure: Figure | None = None
