"""Records of searches -> one table of candidates each, the random control's beside the search's own."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from reports.records.candidate import FACTS, Curve, Entry, candidate_row
from reports.records.definitions import CONTROL, SEARCH, Definitions, load_definitions
from reports.records.files import EVALUATED, Problems, as_object, csv_path, file_stem, read_curve
from reports.records.levels import is_parameter
from reports.records.related import related_arms
from reports.records.reused import reused, start_times
from reports.records.trial import MACHINE, load_trial
from reports.wording import listing

_COLUMNS = (
    "part", "order", "label", "plan", "name", "values", "keys", "state", "reason", "step", "gain", "last_gain",
    "regularity", "folding", *FACTS, "seconds", "reused",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SearchRecords:
    """All that is known of a search and of the random search beside it.

    ``candidates`` has a row for each proposal: its ``part`` (search or random control), ``order`` from 1, ``state``
    (finished, pruned, failed, refused, running, missing, unreadable) with ``reason``, the last ``step`` that all its
    trials were validated at, ``gain_STEP`` over identity at each step, ``gain`` of a finished one alone, and at its
    last step ``last_gain``, ``regularity`` and ``folding``. Gains are means over seeds and data sets. ``entries``: the
    definitions by part, one a data set. ``trials`` has a row for each trial. ``related`` has the columns of
    ``candidates``, for what other studies trained by the same rules. ``stem`` begins the names of files.
    """

    name: str
    stem: str
    split: str
    entries: dict[str, list[Entry]]
    candidates: pd.DataFrame
    trials: pd.DataFrame
    confirmations: tuple[str, ...]
    problems: tuple[str, ...]
    related: pd.DataFrame
    is_selection_split: bool = True

    @property
    def definition(self) -> Entry:
        """What was searched, as the first entry says it."""
        return next(iter(self.entries.values()))[0]

    @property
    def searched(self) -> Entry:
        return as_object(self.definition["search"])

    @property
    def dataset(self) -> Entry:
        """The data; of several sets the first, with the titles of all."""
        sets = [as_object(entry.get("dataset")) for entry in next(iter(self.entries.values()))]
        titles = [
            str(dataset.get("title") or dataset.get("name") or "a data set that is not named") for dataset in sets
        ]
        return {
            **sets[0],
            "title": listing(titles),
            "synthetic": any(bool(dataset.get("synthetic")) for dataset in sets),
        }

    @property
    def planned(self) -> dict[str, int]:
        """How many configurations each part is to try."""
        counts = {part: [int(e["search"]["trials"]) for e in entries] for part, entries in self.entries.items()}
        proposed = self.candidates["part"].value_counts()
        return {part: max([*planned, int(proposed.get(part, 0))]) for part, planned in counts.items()}

    @property
    def parts(self) -> list[str]:
        """Which of search and control have candidates."""
        return [part for part in (SEARCH, CONTROL) if len(self.of(part))]

    def of(self, part: str) -> pd.DataFrame:
        """The candidates of the search, or of its control."""
        return self.candidates[self.candidates["part"] == part]


def load_searches(
    runs: Sequence[Path], *, study: str | None = None, definitions: Definitions | None = None
) -> list[SearchRecords]:
    """Every search in the run folders with its control, or the one that ``study`` is an entry of.

    ``definitions``: those of the folders, where they have been read before.

    Raises:
        NothingToReportError: a folder that does not exist, or nothing of that name to report.
    """
    runs = [Path(run) for run in runs]
    recorded = definitions or load_definitions(runs)
    chosen = replace(recorded.chosen(study=study), studies=recorded.studies)
    grouped: dict[str, dict[str, list[Entry]]] = {}
    for entry in chosen.searches.values():
        part = CONTROL if entry["search"].get("control_of") else SEARCH
        grouped.setdefault(_search_of(entry), {}).setdefault(part, []).append(entry)
    started = start_times(frozenset().union(*chosen.keys.values()), runs) if grouped else {}
    return [
        _load_search(name, {part: parts[part] for part in (SEARCH, CONTROL) if part in parts}, chosen, started, runs)
        for name, parts in grouped.items()
        if study is None or study in {str(entry["name"]) for entries in parts.values() for entry in entries}
    ]


def _search_of(entry: Entry) -> str:
    """The name of the search that an entry belongs to, whichever of its data sets or its control it is."""
    if control_of := entry["search"].get("control_of"):
        return str(control_of)
    name, sets = str(entry["name"]), entry["search"]["datasets"]
    return name.removesuffix(f"-{as_object(entry.get('dataset')).get('name')}") if len(sets) > 1 else name


def _load_search(
    name: str, entries: dict[str, list[Entry]], definitions: Definitions, started: dict[str, str], runs: Sequence[Path]
) -> SearchRecords:
    problems = Problems(list(definitions.problems))
    for entry in (entry for part_entries in entries.values() for entry in part_entries):
        problems.messages.extend(_drop_unreadable(entry["search"]["space"]))
    candidates: list[dict[str, Any]] = []
    trials: list[dict[str, Any]] = []
    for part, part_entries in entries.items():
        problems.messages.extend(_incomplete(part_entries, part))
        taken = frozenset().union(*(reused(str(entry["name"]), definitions.keys, started) for entry in part_entries))
        for order, arms in enumerate(_proposals(part_entries), start=1):
            rows, curves = _load_trials(arms, runs, problems)
            trials += [{"arm": arms[0][1]["label"], "part": part, **row} for row in rows]
            candidate = candidate_row(arms[0][0]["search"], arms[0][1], rows, curves)
            candidate |= {"part": part, "order": order, "reused": bool(rows) and all(r["key"] in taken for r in rows)}
            candidates.append(candidate)
    table = pd.DataFrame(candidates)
    steps = sorted((str(c) for c in table if re.fullmatch(r"gain_\d+", str(c))), key=lambda c: int(c[5:]))
    names = {str(entry["name"]) for entries_of in entries.values() for entry in entries_of}
    confirmed = tuple(
        other
        for other in definitions.keys
        if any(other.startswith(f"{part_entries}-best-of-") for part_entries in names)
    )
    shown = pd.DataFrame(trials)
    first = next(iter(entries.values()))
    related = _related(first[0], definitions, runs) if len(first) == 1 else []
    return SearchRecords(
        name=name,
        stem=file_stem(name),
        split=str(first[0]["reported_split"]),
        related=pd.DataFrame(related).reindex(columns=[*_COLUMNS, *steps]),
        entries=entries,
        candidates=table.reindex(columns=[*_COLUMNS, *steps]),
        trials=shown.reindex(
            columns=list(dict.fromkeys(["arm", "part", "seed", "key", "state", "trained", *MACHINE, *shown]))
        ),
        confirmations=confirmed,
        problems=tuple(dict.fromkeys(problems.messages)),
    )


def _drop_unreadable(space: Entry) -> list[str]:
    """Leave out what is no parameter, and say so."""
    parameters = space.get("parameters") or []
    readable = (
        [parameter for parameter in parameters if is_parameter(parameter)] if isinstance(parameters, list) else []
    )
    wrong = (
        parameters
        if not isinstance(parameters, list)
        else [parameter for parameter in parameters if parameter not in readable]
    )
    space["parameters"] = readable
    return [f"the space has a parameter that cannot be read, left out: {wrong!r}"] if wrong else []


def _related(entry: Entry, definitions: Definitions, runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Rows of candidates that other studies trained; what is wrong with their records is theirs to say."""
    arms = related_arms(entry, definitions.studies.values())
    loaded = [(arm, *_load_trials([(entry, arm)], runs, Problems())) for arm in arms]
    return [candidate_row(entry["search"], arm, rows, curves) for arm, rows, curves in loaded]


def _incomplete(entries: Sequence[Entry], part: str) -> Iterable[str]:
    """Statements about data sets of a search that have no entry here, or no floor to count from."""
    search, used = entries[0]["search"], {as_object(entry.get("dataset")).get("name") for entry in entries}
    absent = [str(name) for name in search["datasets"] if name not in used]
    if absent:
        yield f"the {part} also ran on {listing(absent)}, which is not in these folders: gains leave it out"
    for name in sorted(str(name_of_set) for name_of_set in used if name_of_set not in search["floors"]):
        yield f"the {part} states no Dice of identity on {name}: its candidates have no gain"


def _proposals(entries: Sequence[Entry]) -> list[list[tuple[Entry, Entry]]]:
    """The candidates in the order of their proposal, each with its arm in every entry that has it."""
    proposals: dict[str, list[tuple[Entry, Entry]]] = {}
    for entry in entries:
        for arm in entry["arms"]:
            identity = json.dumps([arm.get("values", arm["label"]), arm.get("method")], sort_keys=True)
            proposals.setdefault(identity, []).append((entry, arm))
    return list(proposals.values())


def _load_trials(
    arms: Sequence[tuple[Entry, Entry]], runs: Sequence[Path], problems: Problems
) -> tuple[list[dict[str, Any]], list[Curve]]:
    """A row for each trial of a candidate, and its curve, empty where it has no history."""
    rows: list[dict[str, Any]] = []
    curves: list[Curve] = []
    for entry, arm in arms:
        identity_dice = entry["search"]["floors"].get(as_object(entry.get("dataset")).get("name"), nan)
        for seed, key in sorted(arm["keys"].items(), key=lambda item: int(item[0])):
            row, _ = load_trial(key, runs, "val", problems, training=False)
            rows.append({"seed": seed, "key": key, **row, "state": _state(row["state"])})
            path = csv_path(Path(row["folder"]) / "history") if row["folder"] else None
            history = problems.attempt(read_curve, path) if path else None
            curves.append(_curve(history, identity_dice) if history else {})
    return rows, curves


def _curve(history: dict[str, list[float]], identity_dice: float) -> Curve:
    """Gain over ``identity_dice``, folding and regularity at each step that was validated."""
    columns = ("step", "val_dice", "val_folding_fraction", "val_sd_log_jacobian")
    rows = zip(*(history[name] for name in columns), strict=True)
    measured = (row for row in rows if not (isnan(row[0]) or isnan(row[1])))
    return {int(step): (dice - identity_dice, folding, spread) for step, dice, folding, spread in measured}


def _state(state: str) -> str:
    """A trial of a search is done when it is trained."""
    return "finished" if state in (EVALUATED, "not evaluated") else state
