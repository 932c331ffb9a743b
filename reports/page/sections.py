"""Which sections of a study a page has, and what is not drawn: nothing that is empty takes a place of its own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SECTIONS = {
    "question": "Question", "accuracy": "Accuracy", "certainty": "How sure", "regularity": "Regularity",
    "cost": "Size and cost", "labels": "Labels", "others": "Other data sets",
    "structures": "Structures", "training": "Training", "pairs": "Pairs",
    "trials": "Trials", "results": "Text for a paper", "missing": "What is missing", "provenance": "Provenance",
}  # fmt: skip
_HOLDS = {
    "certainty": ("significance", "ranks", "stability", "robustness"),
    "labels": ("labels",),
    "others": ("other_data",),
    "structures": ("structures",),
    "training": ("training", "gates", "pair_gates", "gate_weights"),
}
"""The tables and figures of sections that may have none."""
_SECTIONS_OF_SEARCH = {
    "question": "Question", "best": "Best candidates", "space": "Space", "importance": "Importance", "path": "Paths",
    "fidelity": "Early and final", "trials": "All candidates", "health": "Health", "provenance": "Provenance",
}  # fmt: skip
_HOLDS_OF_SEARCH = {
    "space": ("placement", "stages", "effects", "plans"), "importance": ("importance", "interactions"),
    "path": ("path",), "fidelity": ("fidelity",),
}  # fmt: skip


def sections(section: Mapping[str, Any]) -> dict[str, str]:
    """The titles of the sections that have something to say, by name."""
    filled = {name for name, table in section["tables"].items() if table["rows"]}
    filled |= {name for name, figure in (section["figures"] | section["gates"]).items() if "files" in figure}
    left = {name for name, held in _HOLDS.items() if not filled & set(held)}
    left |= set() if any("files" in picture for picture in section["pictures"]) else {"pairs"}
    return {name: title for name, title in _SECTIONS.items() if name not in left}


def search_sections(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The same of a search, of which only figures may be missing."""
    drawn = {name for name, figure in figures.items() if "files" in figure}
    left = {name for name, held in _HOLDS_OF_SEARCH.items() if not drawn & set(held)}
    return {name: title for name, title in _SECTIONS_OF_SEARCH.items() if name not in left}


def reasons(figures: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Why each figure that is missing is not drawn."""
    for figure in figures:
        if "files" not in figure and figure["name"] != "groups":
            yield f"{figure['title']}. {figure['caption']}"


def not_drawn(section: Mapping[str, Any]) -> Iterator[str]:
    """What of a study has no figure, and why."""
    yield from reasons([*section["figures"].values(), *section["gates"].values(), *section["pictures"]])
    if not section["pictures"]:
        yield "Pictures of pairs. None were kept with the records, or no trial has been evaluated."
