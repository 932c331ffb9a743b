"""The report: one HTML page that works offline, with tables and figures as files beside it."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from operator import call
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from reports.analysis.comparison import Comparison, compare_studies
from reports.analysis.protocol import protocol
from reports.analysis.results_text import results_text
from reports.analysis.significance import Certainty
from reports.analysis.summary import summary
from reports.checklist.checklist import checklist
from reports.figures.forest_plot import first_figure
from reports.figures.gates import gate_figures
from reports.figures.labels import label_figure
from reports.figures.pairs import pictured
from reports.figures.significance import significance_figures
from reports.figures.study import study_figures
from reports.page.datasets import across_sections
from reports.page.overview import studies_overview
from reports.page.python_lines import preamble, python_lines
from reports.page.render import cells, drawn, without_repeated
from reports.page.search import search_section
from reports.page.sections import not_drawn, sections
from reports.page.shown_pairs import shown_pairs
from reports.page.table_library import table_library
from reports.page.trials import trial_section
from reports.page.viewer import viewers
from reports.plots.style import COLOURS, coloured_families, look
from reports.records.definitions import load_definitions
from reports.records.files import EVALUATED, as_object
from reports.records.search import load_searches
from reports.records.study import StudyRecords
from reports.tables.gate_choice import gate_choice, gates_in_a_sentence
from reports.tables.gates import decoded_plans, gate_weights
from reports.tables.provenance import provenance
from reports.tables.study import all_tables, write_tables
from reports.tables.table import Table, warning
from reports.wording import plural

# Below the 8 MB that go into a mail, with room for text and tables.
MOST_PICTURE_BYTES = 7_000_000
VIEWED = 0.75  # the share of what figures leave that slices to scroll may take
MANY_TRIALS = 60  # trials; fewer are drawn before other processes have begun

Section = dict[str, Any]


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    study: str | None = None,
    baseline: str | None = None,
    primary: str | None = None,
    dataset: str | None = None,
    margin: float | None = None,
    width: str = "page",
    font: str = "sans",
) -> Path:
    """Write ``index.html``, ``CHECKLIST.md``, ``tables/`` and ``figures/`` below ``out``; the page's path.

    ``width`` and ``font`` of figures: as of ``reports.plots.style.look``; ``margin``: as of ``compare``.

    Raises:
        NothingToReportError: no study to read in ``runs``, no arm named ``baseline``, no metric ``primary``, nothing on
            ``dataset``, or a ``margin`` that is not above 0; nothing is written.
    """
    runs = [Path(run) for run in runs]
    definitions = load_definitions(runs)
    comparisons = compare_studies(
        runs, study=study, baseline=baseline, primary=primary, dataset=dataset, margin=margin, definitions=definitions
    )
    searches = load_searches(runs, study=study, definitions=definitions)
    searches = [search for search in searches if dataset in (None, *search.searched["datasets"])]
    out.mkdir(parents=True, exist_ok=True)
    budget = MOST_PICTURE_BYTES // max(1, len(comparisons) + len(searches))
    families = _families(comparisons)
    parts = [partial(_section, comparison, out, budget, comparisons) for comparison in comparisons]
    parts += [partial(search_section, search, out, budget) for search in searches]
    trials = sum(len(comparison.records.trials) for comparison in comparisons)
    trials += sum(len(search.trials) for search in searches)
    made = _make([partial(_in_look, width, font, families, part) for part in parts], trials=trials)
    with look(width=width, font=font, families=families):
        studies = [*across_sections(comparisons, out), *made]
    practices = checklist(comparisons, searches)
    (out / "CHECKLIST.md").write_text(practices.markdown(), encoding="utf-8", errors="replace")
    text = _template().render(
        studies=studies, overview=studies_overview(comparisons), checklist=_checklist(practices),
        table_library=table_library(),
    )  # fmt: skip
    return _replace(out / "index.html", text)


def _replace(page: Path, text: str) -> Path:
    """Write the page whole or not at all."""
    part = page.with_suffix(".html.part")
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, page)
    return page


def _families(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """The families of all studies, so that an arm has one colour on the page; none where they are more than colours."""
    every = tuple(
        dict.fromkeys(
            family
            for comparison in comparisons
            for family in coloured_families(comparison.arms, comparison.baseline)["family"]
        )
    )
    return every if len(every) <= len(COLOURS) else ()


def _in_look(width: str, font: str, families: Sequence[str], part: Callable[[], Section]) -> Section:
    """The section with its figures in that look, in whichever process it is made."""
    with look(width=width, font=font, families=families):
        return part()


def _make(parts: Sequence[Callable[[], Section]], *, trials: int) -> list[Section]:
    """The sections of the page; those of many trials side by side, each in a process of its own."""
    if len(parts) < 2 or trials < MANY_TRIALS:
        return [part() for part in parts]
    with ProcessPoolExecutor(min(len(parts), os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        return list(pool.map(call, parts))


def _template() -> Any:
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.j2")


def _section(comparison: Comparison, out: Path, budget: int, beside: Sequence[Comparison]) -> Section:
    """What the template says of one study; its tables and figures are written on the way."""
    records, definition = comparison.records, comparison.records.definition
    certainty = Certainty(comparison)
    choice = gate_choice(comparison)
    gates = {"gate_weights": gate_weights(comparison), "decoded_plans": decoded_plans(comparison, beside)}
    gates["gate_choice"] = choice
    tables = all_tables(certainty) | gates
    lines = python_lines(comparison)
    write_tables(comparison, tables, out / "tables")
    source, done = provenance(records), protocol(comparison)
    figures, gated, viewed, left = _pictures(certainty, tables, out, budget, lines)
    section = {
        "kind": "study",
        "name": records.name,
        "id": records.stem,
        "dataset": str(records.dataset.get("title") or records.dataset.get("name") or "data set not named"),
        "summary": summary(comparison),
        "warnings": list(_warnings(records)),
        "question": str(definition.get("question") or "The study does not state its question."),
        "protocol": done,
        "tables": {
            name: cells(table, stem=records.stem, name=name, python=lines.get(f"table {name}", ""))
            for name, table in tables.items()
        },
        "provenance": cells(source, stem=records.stem, name="provenance", written=False),
        "switched": [str(arm) for arm in comparison.arms["arm"]],
        "switched_name": "Arms",
        "preamble": preamble(comparison),
        "several_seeds": bool((comparison.arms["seeds"] > 1).any()),
        "figures": figures,
        "gates": gated,
        "gates_sentence": gates_in_a_sentence(choice),
        "pictures": list(drawn(records.stem, pictured(comparison), out, left, lines)),
        "viewers": viewed,
        "shown_pairs": shown_pairs(comparison, viewed),
        "notes": comparison.notes,
        "skipped": {str(label): str(reason) for label, reason in as_object(definition.get("skipped")).items()},
        "problems": [*records.problems, *map(_untrue, done.contradicted)],
        **_results(certainty, out),
        **trial_section(comparison),
    }
    section |= {"sections": sections(section), "not_drawn": list(not_drawn(section))}
    return without_repeated(section, warning(records))


def _results(certainty: Certainty, out: Path) -> Section:
    """The text for a paper, and the file that it is written to."""
    text, file = results_text(certainty), f"text/{certainty.comparison.records.stem}_results.txt"
    if text:
        (out / "text").mkdir(exist_ok=True)
        (out / file).write_text("\n\n".join(text) + "\n", encoding="utf-8", errors="replace")
    return {"results": text, "results_file": file}


def _pictures(
    certainty: Certainty, tables: Mapping[str, Any], out: Path, budget: int, lines: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], int]:
    """Figures and those of gates by name, the viewers by theirs, and how many bytes of the budget are left."""
    comparison = certainty.comparison
    first = [first_figure(comparison)]
    first += [label_figure(comparison)] if "labels" in tables else []
    captioned_figures = chain(first, study_figures(comparison), significance_figures(certainty))
    figures, left = _drawn_by_name(comparison, captioned_figures, out, budget, lines)
    gated, left = _drawn_by_name(comparison, gate_figures(comparison), out, left, lines)
    viewed = dict(viewers(comparison, int(VIEWED * left)))
    return (
        figures,
        gated,
        viewed,
        left - sum(len(value) for view in viewed.values() for value in view.values() if isinstance(value, str)),
    )


def _drawn_by_name(
    comparison: Comparison, captioned: Iterable[Any], out: Path, budget: int, lines: Mapping[str, str]
) -> tuple[dict[str, Any], int]:
    """Figures as the template takes them, by name, and what they leave of the budget."""
    figures = {figure["name"]: figure for figure in drawn(comparison.records.stem, captioned, out, budget, lines)}
    return figures, budget - sum(len(figure["svg"]) for figure in figures.values())


def _untrue(sentence: str) -> str:
    return f"The recorded protocol says “{sentence}”, which the records do not bear out; it is not repeated above."


def _checklist(practices: Table) -> Section:
    return cells(practices, stem="best-practices", name="checklist", written=False)


def _warnings(records: StudyRecords) -> Iterator[str]:
    """What must be read before any number."""
    if records.dataset.get("synthetic"):
        yield "Synthetic images: the data set is simulated. Nothing here is a result on scans of people."
    if records.is_selection_split:
        note = str(records.definition.get("split_note") or "").rstrip(".")
        # Which split is reported is said before it, in the words of today's records and of older ones.
        note = re.sub(r"^\S+ is reported, the (selection split|split of selection)[.: ]*", "", note)
        because = f" ({note})" if note else ""
        yield f"Selection split: figures are of {records.split}, on which choices were made{because}."
    if not records.complete:
        states = records.trials["state"].value_counts()
        done = int(states.get(EVALUATED, 0))
        rest = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if state != EVALUATED)
        yield f"Incomplete: {done} of {plural(len(records.trials), 'planned trial')} evaluated; {rest}."
    if records.problems:
        yield f"{plural(len(records.problems), 'problem')} with the records; see the end of the study."
