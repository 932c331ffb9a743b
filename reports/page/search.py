"""The section of a search: what it opens with, and what the template says of it."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from reports.analysis.ablation import analyse
from reports.analysis.candidates import best, front
from reports.analysis.search import objectives_of, part_names, searcher, title
from reports.figures.ablation import ablation_figures
from reports.figures.search import search_figures
from reports.page.python_lines import search_lines, search_preamble
from reports.page.render import cells, drawn, without_repeated
from reports.page.sections import reasons, search_sections
from reports.records.definitions import CONTROL, SEARCH
from reports.records.files import as_object
from reports.records.plans import operator_name, operators_of
from reports.records.search import SearchRecords
from reports.tables.ablation import ablation_tables
from reports.tables.search import proposals, search_provenance, search_tables
from reports.tables.table import warning
from reports.wording import listing, number, plural

_NOT_YET = ("running", "missing")


def search_section(records: SearchRecords, out: Path, budget: int) -> dict[str, Any]:
    """What the template says of one search; its tables and figures are written on the way."""
    ablation, definition = analyse(records), records.definition
    tables = search_tables(records) | ablation_tables(ablation)
    for name, table in tables.items():
        table.write(out / "tables", f"{records.stem}_{name}")
    captioned_figures = chain(search_figures(records), ablation_figures(ablation))
    lines = search_lines(records)
    section: dict[str, Any] = {
        "kind": "search",
        "name": records.name,
        "id": records.stem,
        "dataset": str(records.dataset["title"]),
        "summary": search_summary(records),
        "confirmations": records.confirmations,
        "warnings": list(_warnings(records)),
        "question": str(definition.get("question") or "The search does not state its question."),
        "protocol": [str(sentence) for sentence in definition.get("protocol") or []],
        "space": list(_space(records)),
        "tables": {
            name: cells(tables[name], stem=records.stem, name=name)
            for name in ("candidates", "health", "endings", "path")
        }
        | {"proposals": _proposals(records)},
        "provenance": cells(search_provenance(records), stem=records.stem, name="provenance", written=False),
        "switched": list(part_names(records)),
        "switched_name": "Parts",
        "preamble": search_preamble(records),
        "figures": {figure["name"]: figure for figure in drawn(records.stem, captioned_figures, out, budget, lines)},
        "problems": records.problems,
    }
    figures = section["figures"]
    section |= {"sections": search_sections(figures), "not_drawn": list(reasons(figures.values()))}
    return without_repeated(section, warning(records))


def _proposals(records: SearchRecords) -> dict[str, Any]:
    """Every candidate as a row that points of the figures lead to."""
    content = cells(proposals(records), stem=records.stem, name="proposals", written=False)
    candidates = records.candidates
    for row, part, order in zip(content["rows"], candidates["part"], candidates["order"], strict=True):
        row |= {"id": f"{records.stem}-{str(part).split()[-1]}-{order}", "arm": str(part), "seed": str(order)}
    return content


def search_summary(records: SearchRecords) -> tuple[str, str, str]:
    """What was searched and how far, the best that was found, and what that does not show."""
    return _extent(records), _finding(records), _limits(records)


def _extent(records: SearchRecords) -> str:
    budget = as_object(records.definition.get("budget"))
    steps = f", {budget['steps']} steps each" if budget.get("steps") else ""
    stops = ", with early stopping" if records.searched.get("early_stopping") else ""
    ends = [f"the {part} {_ended(records, part)}" for part in records.entries]
    return (
        f"{searcher(records)[:1].upper()}{searcher(records)[1:]} varied {_varied(records)} on "
        f"{records.dataset['title']}{steps}{stops}: {'; '.join(ends)}."
    )


def _varied(records: SearchRecords) -> str:
    space = records.searched["space"]
    symbols = [operator_name(symbol) for symbol in operators_of(space.get("operators"))]
    names = [str(parameter["name"]) for parameter in space.get("parameters") or []]
    plan = [f"the operator of each stage ({', '.join(symbols)})"] if symbols else []
    return listing([*plan, *([plural(len(names), "setting")] if names else [])]) or "nothing"


def _ended(records: SearchRecords, part: str) -> str:
    """How far a part has come, and how its candidates ended."""
    candidates, planned = records.of(part), records.planned[part]
    states = candidates["state"].value_counts()
    ended = int(sum(amount for state, amount in states.items() if state not in _NOT_YET))
    words = {"finished": "trained to the end", "pruned": "stopped early"}
    counts = [f"{amount} {words.get(str(state), state)}" for state, amount in states.items() if state not in _NOT_YET]
    how = f" ({', '.join(counts)})" if counts else ""
    if ended == planned:
        return f"tried {plural(planned, 'configuration')}{how}"
    return f"has tried {ended} of {plural(planned, 'configuration')} so far{how}"


def _finding(records: SearchRecords) -> str:
    aims = objectives_of(records)
    leaders = {part: best(records.of(part), aims[0]) for part in records.entries}
    if all(row is None for row in leaders.values()):
        return "No configuration has been trained to the end, so there is no best one."
    if len(aims) > 1:
        finished = records.candidates[records.candidates["state"] == "finished"]
        kept = int(front(finished, aims).sum())
        return (
            f"Of {plural(len(finished), 'finished configuration')}, {kept} {'is' if kept == 1 else 'are'} on the front "
            f"of {listing([aim.word for aim in aims])}: no other is as good in all and better in one."
        )
    sentences = []
    for part, row in leaders.items():
        whose = "the best found by the search" if part == SEARCH else "the best of the random control"
        if row is None:
            sentences.append(f"{whose} is not known, since none was trained to the end")
        else:
            value = float(str(row[aims[0].column])) / aims[0].unit
            gain = f"{number(value, 4, signed=True)} val Dice" if aims[0].name == "dice" else number(value, 4)
            sentences.append(f"{whose} is {title(row)} with {gain}")
    identity_dice = listing([f"{number(float(dice))} ({name})" for name, dice in records.searched["floors"].items()])
    over = f", counted from identity at {identity_dice}" if aims[0].name == "dice" else f" ({aims[0].label})"
    sentence = f"{'; '.join(sentences)}{over}."
    return sentence[:1].upper() + sentence[1:]


def _limits(records: SearchRecords) -> str:
    seeds = len(records.definition.get("seeds") or [0])
    trainings = "one training each" if seeds == 1 else f"{plural(seeds, 'training')} each"
    nor = ", nor between the search and random search" if CONTROL in records.entries else ""
    control = "" if CONTROL in records.entries or records.searched["searcher"] == "random" else (
        " There is no random search to compare it with, so nothing is known of what the searcher adds."
    )  # fmt: skip
    evidence = (
        f"The confirmation shows what holds up: {listing([f'“{name}”' for name in records.confirmations])}."
        if records.confirmations
        else "No confirmation of it is in these records."
    )
    return (
        f"Limits: this ranks candidates on val, the split that the search itself reads, with {trainings}; it shows no "
        f"difference between them{nor}, and part of the lead of the best among many candidates is due to chance."
        f"{control} {evidence}"
    )


def _warnings(records: SearchRecords) -> Iterator[str]:
    """What must be read before any number."""
    if records.dataset.get("synthetic"):
        yield "Synthetic images: a data set is simulated. Nothing here is a result on scans of people."
    yield "Selection split: figures are of val, on which the search chose; none of its trials is evaluated on test."
    for part, planned in records.planned.items():
        candidates = records.of(part)
        ended = int((~candidates["state"].isin(_NOT_YET)).sum())
        if ended < planned:
            waiting = len(candidates) - ended
            rest = f", {waiting} proposed and not ended" if waiting else ""
            yield f"Incomplete: {ended} of {plural(planned, 'candidate')} of the {part} have ended{rest}."
    if records.problems:
        yield f"{plural(len(records.problems), 'problem')} with the records; see the end of the search."


def _space(records: SearchRecords) -> Iterator[str]:
    """What the search may choose, one line per parameter."""
    space = records.searched["space"]
    symbols = [
        f"{symbol} ({'unknown' if operator_name(symbol) == symbol else operator_name(symbol)})"
        for symbol in operators_of(space.get("operators"))
    ]
    if symbols:
        yield f"Operator of each live stage: {listing(symbols)}; a stage that nothing reads is dead (-)."
    for parameter in space.get("parameters") or []:
        if "values" in parameter:
            values = ("none" if value is None else str(value) for value in parameter["values"])
            yield f"{parameter['name']}: {', '.join(values)}"
        else:
            scale = ", on a logarithmic scale" if parameter.get("log") else ""
            yield f"{parameter['name']}: {parameter['low']:g} to {parameter['high']:g}{scale}"
    for name, most in as_object(records.searched.get("limits")).items():
        yield f"Limit: {name} at most {most:g}"
