"""The report: one HTML page that works offline, with tables and figures as files beside it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from reports.comparison import Comparison, compare_studies
from reports.drawings import Drawing, all_drawings
from reports.load import StudyRecords
from reports.numerals import plural
from reports.opening import opening
from reports.pair_drawings import pictured
from reports.provenance import provenance
from reports.style import inline, save
from reports.table import Table
from reports.tables import all_tables, write_tables
from reports.trial import EVALUATED, as_object

# Below the 8 MB that go into a mail, with room for text and tables.
MOST_PICTURE_BYTES = 7_000_000
_WORDS = ("Arm", "Structure", "Plan", "Verdict", "What", "Value", "Seed", "Key", "State", "Reason")
_LONG = ("Value", "Reason")


def write_report(runs: Sequence[Path], out: Path, *, study: str | None = None, reference: str | None = None) -> Path:
    """Write ``index.html``, ``tables/`` and ``figures/`` below ``out`` from the records in ``runs``; the page's path.

    Raises:
        NothingToReportError: no study to read in ``runs``, or no arm named ``reference``.
    """
    comparisons = compare_studies(runs, study=study, reference=reference)
    out.mkdir(parents=True, exist_ok=True)
    budget = MOST_PICTURE_BYTES // len(comparisons)
    sections = [_section(comparison, out, budget) for comparison in comparisons]
    page = out / "index.html"
    part = out / "index.html.part"
    part.write_text(_template().render(studies=sections), encoding="utf-8")
    os.replace(part, page)
    return page


def _template() -> Any:
    folder = Path(__file__).parent
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.j2")


def _section(comparison: Comparison, out: Path, budget: int) -> dict[str, Any]:
    """What the template says of one study; its tables and figures are written on the way."""
    records, definition = comparison.records, comparison.records.definition
    write_tables(comparison, out / "tables")
    source = provenance(records)
    drawn = {drawing["name"]: drawing for drawing in _drawn(comparison, all_drawings(comparison), out, budget)}
    used = sum(len(drawing["svg"]) for drawing in drawn.values())
    return {
        "name": records.name,
        "id": records.stem,
        "dataset": str(records.dataset.get("title") or records.dataset.get("name") or "data set not named"),
        "opening": opening(comparison),
        "warnings": list(_warnings(records)),
        "question": str(definition.get("question") or "The study does not state its question."),
        "protocol": [str(sentence) for sentence in definition.get("protocol") or []],
        "tables": {name: _cells(table) for name, table in all_tables(comparison).items()},
        "provenance": _cells(source),
        "several_seeds": bool((comparison.arms["seeds"] > 1).any()),
        "figures": drawn,
        "pictures": list(_drawn(comparison, pictured(comparison), out, budget - used)),
        "notes": comparison.notes,
        "skipped": {str(label): str(reason) for label, reason in as_object(definition.get("skipped")).items()},
        "problems": records.problems,
    }


def _drawn(comparison: Comparison, drawings: Iterator[Drawing], out: Path, budget: int) -> Iterator[dict[str, Any]]:
    """Save each figure and give it as the template needs it, as long as the page stays small enough."""
    for drawing in drawings:
        name = f"{comparison.records.stem}_{drawing.name}"
        shown = {"name": drawing.name, "title": drawing.title, "caption": drawing.caption, "svg": ""}
        if drawing.figure is not None:
            element = inline(save(drawing.figure, out / "figures", name), name=name, alt=drawing.alt)
            budget -= len(element)
            if budget >= 0:
                shown["svg"] = Markup(element)
            else:
                shown["caption"] = f"Left out to keep the page small: see figures/{name}.svg. {drawing.caption}"
        yield shown


def _warnings(records: StudyRecords) -> Iterator[str]:
    """What must be read before any number."""
    if records.dataset.get("synthetic"):
        yield "Synthetic images: the data set is simulated. Nothing here is a result on scans of people."
    if records.is_selection_split:
        note = str(records.definition.get("split_note") or "").rstrip(".")
        because = f" ({note})" if note else ""
        yield f"Selection split: figures are of {records.split}, on which choices were made{because}."
    if not records.complete:
        states = records.trials["state"].value_counts()
        done = int(states.get(EVALUATED, 0))
        rest = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if state != EVALUATED)
        yield f"Incomplete: {done} of {plural(len(records.trials), 'planned trial')} evaluated; {rest}."
    if records.problems:
        yield f"{plural(len(records.problems), 'problem')} with the records; see the end of the study."


def _cells(table: Table) -> dict[str, Any]:
    """A table as rows of text; a row that opens a group carries its name."""
    rows = []
    for number, cells in enumerate(table.shown.astype(str).to_numpy().tolist()):
        group = table.groups[number] if table.groups else ""
        opens = bool(group) and (number == 0 or table.groups[number - 1] != group)
        marked = bool(table.marked) and table.marked[number]
        cells = [table.short[number], *cells[1:]] if table.short else cells
        rows.append({"cells": cells, "group": group if opens else "", "marked": marked})
    columns = [
        {"title": str(name).strip(), "right": name not in _WORDS, "long": name in _LONG} for name in table.shown.columns
    ]
    return {"title": table.title, "caption": table.caption, "columns": columns, "rows": rows}
