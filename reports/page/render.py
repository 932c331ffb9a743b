"""Tables and figures as the template of the page needs them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reports.figures.captioned import CaptionedFigure
from reports.plots.style import formats, inline, save
from reports.tables.table import Table, is_number
from reports.wording import MINUS

_LONG = ("Value", "Trained as", "Question", "From the records", "Reason", "Source")
_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def drawn(
    stem: str,
    captioned_figures: Iterable[CaptionedFigure],
    out: Path,
    budget: int,
    python: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Save each figure as ``STEM_NAME`` and give it for the template, as long as the page stays small enough.

    ``python``: the line that draws each figure, by its name.
    """
    for captioned in captioned_figures:
        name = f"{stem}_{captioned.name}"
        shown: dict[str, Any] = {
            "name": captioned.name,
            "title": captioned.title,
            "caption": captioned.caption,
            "svg": "",
        }
        shown["id"] = f"{stem}-figure-{captioned.name}"
        if captioned.figure is not None:
            element = inline(save(captioned.figure, out / "figures", name), name=name, alt=captioned.alt)
            shown |= {"files": {ending.upper(): f"figures/{name}.{ending}" for ending in formats()}}
            shown["python"] = (python or {}).get(captioned.name, "")
            budget -= len(element)
            if budget >= 0:
                shown["svg"] = Markup(element)
            else:
                shown["caption"] = f"Left out to keep the page small: see figures/{name}.svg. {captioned.caption}"
        yield shown


def cells(table: Table, *, stem: str, name: str, written: bool = True, python: str = "") -> dict[str, Any]:
    """A table as rows of text; a row that opens a group carries its name.

    ``written``: whether its files stand in ``tables/`` as ``STEM_NAME``.
    """
    rows = []
    for number, words in enumerate(table.shown.astype(str).to_numpy().tolist()):
        group = table.groups[number] if table.groups else ""
        opens = bool(group) and (number == 0 or table.groups[number - 1] != group)
        marked = bool(table.marked) and table.marked[number]
        words = [table.short[number], *words[1:]] if table.short else words
        rows.append({"cells": words, "order": [sorted_as(word) for word in words], "marked": marked})
        rows[-1]["group"] = group if opens else ""
    columns = [
        {"title": str(name).strip(), "right": is_number(name), "long": name in _LONG} for name in table.shown.columns
    ]
    kinds = {"CSV": "csv", "Markdown": "md"} | ({"LaTeX": "tex"} if len(table.shown) else {}) if written else {}
    files = {kind: f"tables/{stem}_{name}.{ending}" for kind, ending in kinds.items()}
    shown = {"title": table.title, "caption": table.caption, "columns": columns, "rows": rows, "files": files}
    return shown | {"id": f"{stem}-table-{name}", "python": python}


def without_repeated(section: dict[str, Any], sentence: str) -> dict[str, Any]:
    """A section without a sentence at the end of every caption, which the section says once itself."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: element.replace(sentence, "").strip()
                if name == "caption" and isinstance(element, str)
                else without(element)
                for name, element in value.items()
            }
        return [without(element) for element in value] if isinstance(value, list) else value

    return dict(without(section))


def sorted_as(words: str) -> str:
    """What a cell is sorted by: the first number in it, or nothing."""
    found = _NUMBER.search(words.replace(MINUS, "-"))
    return found.group().replace(",", "") if found else ""
