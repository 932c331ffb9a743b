"""Records of one or several run folders -> tidy tables, a study at a time, with what is missing and why."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.records.files import Problems, read_json, read_study
from reports.records.trial import EVALUATED, MACHINE, as_object, load_trial


class NothingToReportError(ValueError):
    """The run folders hold no study, or not the one that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Where an arm's slices lie, and which pairs they show (by rank: best, median, worst)."""

    seed: str
    path: Path
    pairs: dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class StudyRecords:
    """All that is known of one study. Tables carry ``arm`` (unique in the study) and ``seed``.

    ``trials`` has a row for each planned trial: its ``state`` (evaluated, not evaluated, running, pruned, failed,
    missing, unreadable) and ``reason``, what it is, what it cost. ``pairs``, ``labels`` and
    ``pair_gates`` are of the reported split.
    """

    name: str
    definition: dict[str, Any]
    arms: pd.DataFrame
    trials: pd.DataFrame
    pairs: pd.DataFrame
    labels: pd.DataFrame
    history: pd.DataFrame
    gates: pd.DataFrame
    pair_gates: pd.DataFrame
    pictures: dict[str, Pictures]
    problems: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The study's name as the beginning of a file's name."""
        return re.sub(r"[^\w.-]+", "-", self.name)

    @property
    def split(self) -> str:
        return str(self.definition["reported_split"])

    @property
    def is_selection_split(self) -> bool:
        """Whether the figures are of the split on which choices were made."""
        return bool(self.split == self.definition.get("selection_split", "val"))

    @property
    def dataset(self) -> dict[str, Any]:
        return as_object(self.definition.get("dataset"))

    @property
    def complete(self) -> bool:
        return bool((self.trials["state"] == EVALUATED).all())


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """What the run folders say was planned: ordinary studies and searches by name, and what could not be read.

    ``keys``: those of every study and search that is there, asked for or not.
    """

    studies: dict[str, dict[str, Any]]
    searches: dict[str, dict[str, Any]]
    keys: dict[str, frozenset[str]]
    problems: tuple[str, ...]


def load_definitions(runs: Sequence[Path], *, study: str | None = None, dataset: str | None = None) -> Definitions:
    """Every study and search in the run folders; with ``study``, only that study, or all searches if it is a search.

    With ``dataset``, only those on the data set of that name.

    Raises:
        NothingToReportError: a folder that does not exist, no study in any of them, none of that name or data set.
    """
    for run in runs:
        if not run.is_dir():
            raise NothingToReportError(f"{run} is not a folder of runs")
    problems = Problems()
    found: dict[str, dict[str, Any]] = {}
    for path in (path for run in runs for path in sorted((run / "studies").glob("*.json"))):
        definition = problems.attempt(read_study, path)
        if definition is not None:
            name = str(definition["name"])
            found[name] = _join(found[name], definition, path, problems) if name in found else definition
    if not found:
        places = ", ".join(str(run / "studies") for run in runs)
        raise NothingToReportError("\n".join([f"no readable study (NAME.json) in {places}", *problems.said]))
    if study is not None and study not in found:
        raise NothingToReportError(f"no study named {study!r}; there are: {', '.join(sorted(found))}")
    searches = {name: definition for name, definition in found.items() if "search" in definition}
    studies = {name: definition for name, definition in found.items() if name not in searches}
    if study is not None:
        studies = {name: definition for name, definition in studies.items() if name == study}
        searches = {} if studies else searches
    if dataset is not None:
        sets = {_dataset_of(definition) for definition in (*studies.values(), *searches.values())}
        if dataset not in sets:
            raise NothingToReportError(f"no study on data set {dataset!r}; there are: {', '.join(sorted(sets))}")
        studies, searches = (
            {name: definition for name, definition in own.items() if _dataset_of(definition) == dataset}
            for own in (studies, searches)
        )
    keys = {name: frozenset(k for arm in one["arms"] for k in arm["keys"].values()) for name, one in found.items()}
    return Definitions(studies=studies, searches=searches, keys=keys, problems=tuple(problems.said))


def load_studies(runs: Sequence[Path], *, study: str | None = None, dataset: str | None = None) -> list[StudyRecords]:
    """Every study in the run folders, or the one named ``study``, or those on ``dataset``; the same study in several
    folders is joined.

    Searches are none of these: ``reports.records.search`` loads them.

    Raises:
        NothingToReportError: a folder that does not exist, no study in any of them, none of that name or data set.
    """
    runs = [Path(run) for run in runs]
    found = load_definitions(runs, study=study, dataset=dataset)
    return [_load_study(definition, runs, Problems(list(found.problems))) for definition in found.studies.values()]


def _dataset_of(definition: dict[str, Any]) -> str:
    return str(as_object(definition.get("dataset")).get("name") or "not named")


def _join(first: dict[str, Any], second: dict[str, Any], path: Path, problems: Problems) -> dict[str, Any]:
    """The arms and seeds of two definitions of a study; where they contradict each other, the first holds."""
    shared = ("question", "dataset", "budget", "reported_split")
    differing = ", ".join(name for name in shared if first.get(name) != second.get(name))
    if differing:
        problems.said.append(f"{path}: defines the study otherwise than a folder before it ({differing}); left out")
        return first
    arms = {_identity(arm): dict(arm) for arm in first["arms"]}
    for arm in second["arms"]:
        known = arms.setdefault(_identity(arm), dict(arm))
        clash = [seed for seed, key in arm["keys"].items() if known["keys"].get(seed, key) != key]
        if clash:
            problems.said.append(f"{path}: arm {arm['label']!r} has other trials at seed {', '.join(clash)}; left out")
        known["keys"] = {**arm["keys"], **known["keys"]}
    return {**first, "arms": list(arms.values())}


def _identity(arm: dict[str, Any]) -> tuple[str, ...]:
    """What tells an arm from the others; labels of a search's candidates are rounded, so their values count too."""
    values = json.dumps(arm["values"], sort_keys=True) if "values" in arm else ""
    return str(arm["label"]), str(arm.get("group")), values


def _load_study(definition: dict[str, Any], runs: Sequence[Path], problems: Problems) -> StudyRecords:
    split = definition["reported_split"]
    arms = _arms(definition)
    trials = []
    tables: dict[str, list[pd.DataFrame]] = {"pairs": [], "labels": [], "history": [], "gates": [], "pair_gates": []}
    pictures: dict[str, Pictures] = {}
    for arm, keys in zip(arms["arm"], arms["keys"], strict=True):
        for seed, key in sorted(keys.items(), key=lambda item: int(item[0])):
            row, read = load_trial(key, runs, split, problems)
            trials.append({"arm": arm, "seed": str(seed), "key": key, **row})
            for name, table in read.items():
                tables[name].append(table.assign(arm=arm, seed=str(seed)))
            if row["state"] == EVALUATED and arm not in pictures:
                pictures |= _pictures(arm, str(seed), Path(row["folder"]) / "eval" / split, problems)
    loaded = pd.DataFrame(trials).reindex(columns=_columns(trials))
    problems.said.extend(_mixtures(loaded))
    empty = pd.DataFrame({"arm": pd.Series(dtype=str), "seed": pd.Series(dtype=str)})
    joined = {name: pd.concat(parts, ignore_index=True) if parts else empty.copy() for name, parts in tables.items()}
    return StudyRecords(
        name=str(definition["name"]),
        definition=definition,
        arms=arms,
        trials=loaded,
        pictures=pictures,
        problems=tuple(dict.fromkeys(problems.said)),
        **joined,
    )


def _columns(trials: Sequence[dict[str, Any]]) -> list[str]:
    """The columns of the table of trials, whatever its trials lack."""
    always = ("arm", "seed", "key", "state", "reason", "trained", "folder", "canonical_plan", "parameters", "flops")
    return list(dict.fromkeys([*always, *MACHINE, *(name for trial in trials for name in trial)]))


def _arms(definition: dict[str, Any]) -> pd.DataFrame:
    """One row an arm, group by group; labels that several groups share are told apart by their group.

    Arms without keys were not asked for, and are left out where others were.
    """
    groups = list(dict.fromkeys(arm.get("group") for arm in definition["arms"]))
    asked = [arm for arm in definition["arms"] if arm["keys"]] or definition["arms"]
    arms = sorted(asked, key=lambda arm: groups.index(arm.get("group")))
    labels = Counter(arm["label"] for arm in arms)
    names: list[str] = []
    for arm in arms:
        name = arm["label"] if labels[arm["label"]] == 1 else f"{arm['label']} ({arm.get('group', 'no group')})"
        names.append(name if name not in names else f"{name} {names.count(name) + 1}")
    methods = [as_object(arm.get("method")) for arm in arms]
    return pd.DataFrame(
        {
            "arm": names,
            "label": [arm["label"] for arm in arms],
            "group": [str(arm.get("group") or "arms") for arm in arms],
            "method": [str(method.get("name", "")) for method in methods],
            "plan": [method.get("plan") for method in methods],
            "keys": [arm["keys"] for arm in arms],
        }
    )


def _pictures(arm: str, seed: str, evaluation: Path, problems: Problems) -> dict[str, Pictures]:
    path = evaluation / "pictures.npz"
    if not path.is_file():
        return {}
    summary = evaluation / "summary.json"
    said = as_object((problems.attempt(read_json, summary) or {}).get("pictures")) if summary.is_file() else {}
    return {arm: Pictures(seed=seed, path=path, pairs={rank: as_object(about) for rank, about in said.items()})}


def _mixtures(trials: pd.DataFrame) -> Iterable[str]:
    """Statements about trials that should not stand in one table."""
    for column, what, so in (
        ("numerics", "versions of the numerics", "their arms are not comparable"),
        ("fingerprint", "fingerprints of the data", "their arms are not comparable"),
        ("precision", "precisions of training", "arms may differ by that alone"),
    ):
        known = sorted({str(value) for value in trials[column].dropna()}) if column in trials else []
        if len(known) > 1:
            yield f"the trials mix {len(known)} {what} ({', '.join(known)}): {so}"
