"""One look for every figure: colour says the strategy, the marker says its group of arms."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.marks import as_attributes

INK = "#24292f"
FAINT = "#c9ced6"
GREY = "#868e99"
BACKGROUND = "#fffffe"
# Okabe and Ito's blue and orange, and what lies farthest from them and from each other under deuteranopia, protanopia
# and tritanopia, with a contrast of 3 and more on the white and on the dark ground (tests/reports/figures).
COLOURS = ("#0072b2", "#d55e00", "#1fa3b8", "#a64a2c", "#8f85ff", "#c2857a", "#6652f5", "#8f5270")
NARROW = 5.0
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.2, 1, 1.2)))
WIDTHS = {"page": 7.2, "column": 3.5, "two-columns": 7.16}
"""Inches; a column and two columns as IEEE's and Elsevier's journals have them."""
FONTS = {
    "sans": ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"),
    "serif": ("Times New Roman", "Times", "Liberation Serif", "STIXGeneral"),
    "dejavu": ("DejaVu Sans",),
}
"""Families of which the first that is installed is used; the last of each comes with matplotlib."""
MOST_HEIGHT = 9.0
"""Inches, so that a figure with its caption fits a page of a paper."""
PNG_DPI = 300
FILES: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Formats beside SVG in which a figure is written, with the metadata that would change its bytes from day to day."""
LEGIBLE = 9.0
"""Pixels of the smallest text of a figure on a phone."""
LABEL_WIDTH, LABEL_LINES = 44, 3
LETTER = 0.065
"""Inches of a letter of the names below a matrix, so that long names do not squeeze its cells."""
# What changes with the theme of the page.
_IN_PAGE = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    GREY: "var(--grey)",
    BACKGROUND: "var(--ground)",
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
    "font.size": 8.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "image.composite_image": False,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",
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
    width, font, _ = _LOOK.get()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        mpl.rcParams["font.family"] = _families(font)
        mpl.rcParams["figure.figsize"] = (WIDTHS[width], WIDTHS[width] / 2)
        yield


_LOOK: ContextVar[tuple[str, str, tuple[str, ...]]] = ContextVar("look", default=("page", "sans", ()))


@contextmanager
def look(*, width: str = "page", font: str = "sans", families: Sequence[str] = ()) -> Iterator[None]:
    """Figures drawn inside are of this width and font; ``families``, where given, have the colours in this order, so
    that studies with some of them each agree.

    Raises:
        ValueError: a width or font that is not known.
    """
    for argument, value, choices in (("width", width, WIDTHS), ("font", font, FONTS)):
        if value not in choices:
            raise ValueError(f"look(): {argument!r} must be of {', '.join(choices)}, got {value!r}")
    token = _LOOK.set((width, font, tuple(families)))
    try:
        yield
    finally:
        _LOOK.reset(token)


@cache
def _families(font: str) -> list[str]:
    """The first family of the font that is installed, then matplotlib's own for signs that it lacks."""
    installed = set(font_manager.get_font_names())
    return [next(name for name in FONTS[font] if name in installed), "DejaVu Sans"]


def new_figure(height: float) -> Figure:
    """An empty figure of the chosen width, ``height`` in inches, at most a page."""
    with style():
        return Figure(figsize=(mpl.rcParams["figure.figsize"][0], min(height, MOST_HEIGHT)))


def is_narrow() -> bool:
    """Whether figures are as wide as one column of a journal."""
    return WIDTHS[_LOOK.get()[0]] < NARROW


def panels(height: float, count: int, **how: Any) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels side by side, each ``height`` inches; below each other where it is one column."""
    rows, columns = (count, 1) if is_narrow() else (1, count)
    figure = new_figure(height * rows)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **how).flat)


def with_colours(arms: pd.DataFrame, baseline: str, *, colours: Mapping[str, str] | None = None) -> pd.DataFrame:
    """``arms`` with a ``colour`` by family (the baseline's first, grey if untrained), a ``marker`` and a ``line`` by
    group.

    An arm that starts from the results of another (``parent``) takes its colour. Where there are more families than
    colours, those of each group begin anew, so that marker and line tell them apart. ``colours``: of arms or families
    that the caller wants otherwise.
    """
    colours = colours or {}
    trained = coloured_families(arms, baseline)
    places = list(trained.groupby("group").cumcount() if len(trained) > len(COLOURS) else range(len(trained)))
    shared_by_all = _LOOK.get()[2]
    if set(trained["family"]) <= set(shared_by_all):
        places = [shared_by_all.index(family) for family in trained["family"]]
    by_family = {family: COLOURS[place % len(COLOURS)] for family, place in zip(trained["family"], places, strict=True)}
    by_arm = {arm: by_family.get(family, GREY) for arm, family in zip(arms["arm"], arms["family"], strict=True)}
    by_arm |= {arm: by_arm[parent] for arm, parent in zip(arms["arm"], _parents(arms), strict=True) if parent in by_arm}
    groups = list(dict.fromkeys([*arms[arms["trained"]]["group"], *arms["group"]]))
    shared = len(trained) > len(COLOURS)
    # Families of one group that are more than colours begin anew with another marker.
    again = {family: place // len(COLOURS) for family, place in zip(trained["family"], places, strict=True)}
    looks = [
        groups.index(group) + len(groups) * again.get(family, 0)
        for family, group in zip(arms["family"], arms["group"], strict=True)
    ]
    named = zip(arms["arm"], arms["family"], strict=True)
    return arms.assign(
        colour=[colours.get(arm, colours.get(family, by_arm[arm])) for arm, family in named],
        marker=[MARKERS[place % len(MARKERS)] for place in looks],
        line=[LINES[place % len(LINES)] if shared else LINES[0] for place in looks],
    )


def coloured_families(arms: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The first arm of each trained family, the baseline's first: in the order in which they take colours."""
    trained = arms[arms["trained"] & (_parents(arms) == "")]
    return pd.concat([trained[trained["arm"] == baseline], trained]).drop_duplicates("family")


def _parents(arms: pd.DataFrame) -> "pd.Series[str]":
    """The arm whose results each starts from, or nothing."""
    return arms["parent"].fillna("") if "parent" in arms else pd.Series("", index=arms.index)


def with_line_styles(arms: pd.DataFrame, *, by: str = "arm") -> pd.DataFrame:
    """``arms`` as lines of one panel, each ``by`` (arm or family) with a ``line`` and a ``marker`` that no neighbour of
    its colour has."""
    places = pd.factorize(arms[by])[0]
    return arms.assign(
        line=[LINES[place % len(LINES)] for place in places], marker=[MARKERS[place % len(MARKERS)] for place in places]
    )


def numbered(arms: pd.DataFrame) -> pd.DataFrame:
    """``arms`` with a numeral as marker where one is not trained: those share one colour."""
    numerals, trained = (~arms["trained"]).cumsum().map("${}$".format), arms["trained"]
    return arms.assign(marker=arms["marker"].where(trained, numerals), colour=arms["colour"].where(trained, INK))


def as_label(text: object, *, width: int = LABEL_WIDTH, lines: int = LABEL_LINES) -> str:
    """A name as text of a figure: wrapped, cut after so many lines, and never read as mathematics."""
    wrapped = wrap(str(text), width, max_lines=lines, placeholder=" …") or [""]
    return "\n".join(wrapped).replace("$", r"\$")


def names_of_rows(ax: Axes, names: Iterable[object], *, width: int = LABEL_WIDTH) -> tuple[list[str], float]:
    """Names of rows that share the height of a figure, and the size of their letters: none lies on its neighbour."""
    names = list(names)
    room = 0.9 * 72 * ax.figure.bbox.height / ax.figure.dpi / max(1, len(names))
    lines = int(max(1, min(LABEL_LINES, room // 10)))
    return [as_label(name, width=width, lines=lines) for name in names], float(min(8.5, max(4.5, 0.75 * room)))


def jitter(count: int, width: float) -> np.ndarray:
    """Shifts within ``width`` that keep points of one row apart; by the golden ratio, so the same every time."""
    return (np.arange(count) * 0.618034 % 1 - 0.5) * width


def formats() -> tuple[str, ...]:
    """The endings of the files that ``save`` writes."""
    return ("svg", *FILES)


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write ``NAME.svg``, ``NAME.pdf`` and, at 300 dpi, ``NAME.png``, the same bytes for the same figure; the SVG.

    Text is text in the first two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with style():
        document = _svg(figure)
        # What is laid out once need not be again: it takes as long as the drawing.
        figure.set_layout_engine("none")
        for ending, metadata in FILES.items():
            figure.savefig(folder / f"{name}.{ending}", dpi=PNG_DPI, metadata=metadata)
    (folder / f"{name}.svg").write_text(document, encoding="utf-8")
    return document


def _svg(figure: Figure) -> str:
    """The figure as an SVG document on a transparent ground."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None, "Creator": None})
    return as_attributes(buffer.getvalue())


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
    # In the page's own type; and as wide as it takes for the smallest letters to have nine pixels on a phone.
    element = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", element)
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", element)]
    escaped = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opened = f'<svg role="img" aria-label="{escaped}"'

    def opening(found: re.Match[str]) -> str:
        # By a function, since a template would read the backslashes of the text.
        fits = round(LEGIBLE * float(found.group(1)) / min([*sizes, LEGIBLE]))
        return f'{opened} style="--fits: {fits}px"'

    return re.sub(r'<svg width="([\d.]+)pt" height="[\d.]+pt"', opening, element, count=1)
