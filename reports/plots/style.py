"""One look for every figure: colour says the strategy, the marker says its group of arms."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

INK = "#24292f"
FAINT = "#c9ced6"
GREY = "#868e99"
GROUND = "#fffffe"
# Okabe and Ito's colours, less those that vanish on white or on black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a0703c", "#8f6bd1")
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 7.2
PNG_DPI = 300
LABEL_WIDTH, LABEL_LINES = 44, 3
# What changes with the theme of the page.
_IN_PAGE = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    GREY: "var(--grey)",
    GROUND: "var(--ground)",
    COLOURS[0]: "var(--blue)",
}

_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "image.composite_image": False,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "svg.hashsalt": "reports",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
    "ytick.major.width": 0.7,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of the report, for whatever is drawn and saved inside, on top of matplotlib's own defaults: what the
    user's matplotlibrc says has no part in it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def with_colours(arms: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """``arms`` with a ``colour`` by family (the baseline's first, grey if untrained) and a ``marker`` by group.

    Where there are more families than colours, those of each group begin anew.
    """
    trained = arms[arms["trained"]]
    trained = pd.concat([trained[trained["arm"] == baseline], trained]).drop_duplicates("family")
    places = trained.groupby("group").cumcount() if len(trained) > len(COLOURS) else range(len(trained))
    colours = {family: COLOURS[place % len(COLOURS)] for family, place in zip(trained["family"], places, strict=True)}
    trained = arms[arms["trained"]]
    groups = list(dict.fromkeys([*trained["group"], *arms["group"]]))
    return arms.assign(
        colour=[colours.get(family, GREY) for family in arms["family"]],
        marker=[MARKERS[groups.index(group) % len(MARKERS)] for group in arms["group"]],
    )


def as_label(text: object, *, width: int = LABEL_WIDTH, lines: int = LABEL_LINES) -> str:
    """A name as text of a figure: wrapped, cut after so many lines, and never read as mathematics."""
    wrapped = wrap(str(text), width, max_lines=lines, placeholder=" …") or [""]
    return "\n".join(wrapped).replace("$", r"\$")


def jitter(count: int, width: float) -> np.ndarray:
    """Shifts within ``width`` that keep points of one row apart; by the golden ratio, so the same every time."""
    return (np.arange(count) * 0.618034 % 1 - 0.5) * width


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write ``NAME.png`` at 300 dpi and ``NAME.svg``, the same bytes for the same figure; the SVG document."""
    folder.mkdir(parents=True, exist_ok=True)
    with style():
        document = _svg(figure)
        # What is laid out once need not be again: it takes as long as the drawing.
        figure.set_layout_engine("none")
        figure.savefig(folder / f"{name}.png", dpi=PNG_DPI, metadata={"Software": None})
    (folder / f"{name}.svg").write_text(document, encoding="utf-8")
    return document


def _svg(figure: Figure) -> str:
    """The figure as an SVG document on a transparent ground."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def inline(document: str, *, name: str, alt: str) -> str:
    """An SVG document as an element of an HTML page: no address in it, ids of its own, ink in the page's colour."""
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", element)
    # Equal images get equal ids, which nothing refers to.
    element = re.sub(r'\sid="image\w+"', "", element)
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = element.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    for colour, in_page in _IN_PAGE.items():
        element = element.replace(colour, in_page)
    escaped = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opened = f'<svg role="img" aria-label="{escaped}"'
    # By a function, since a template would read the backslashes of the text.
    return re.sub(r'<svg width="([\d.]+)pt" height="[\d.]+pt"', lambda _: opened, element, count=1)
