"""What run folders say was planned: studies and searches, read once and joined over the folders."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusemorph.records import FORMAT
from fusemorph.storage import RecordError
from reports.records import NothingToReportError
from reports.records.contents import is_name, is_number, read_object, require, shortly
from reports.records.files import Problems, as_object

SEARCH, CONTROL = "search", "random control"
"""The parts of a search: the search itself and the random search beside it."""
_SEED = re.compile("[0-9]{1,18}")
_OF_STUDY = {
    "question": str, "reference": str, "study": str, "selection_split": str, "split_note": str, "protocol": list,
    "skipped": dict, "dataset": dict, "budget": dict, "seeds": list, "evaluated_on": list,
}  # fmt: skip
_OF_ARM = {"group": str, "method": dict, "budget_changes": dict, "values": dict, "ended": dict, "published": list}


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """What the run folders say was planned: ordinary studies and searches by name, and what could not be read.

    ``keys``: those of every study and search that is there, asked for or not.
    """

    studies: dict[str, dict[str, Any]]
    searches: dict[str, dict[str, Any]]
    keys: dict[str, frozenset[str]]
    problems: tuple[str, ...]

    def chosen(self, *, study: str | None = None, dataset: str | None = None) -> "Definitions":
        """Only that study, or all searches where it is a search; only those on the data set of that name.

        Raises:
            NothingToReportError: no study or search of that name, or none on that data set.
        """
        studies, searches = self.studies, self.searches
        if study is not None:
            if study not in self.keys:
                raise NothingToReportError(f"no study named {study!r}; there are: {', '.join(sorted(self.keys))}")
            studies = {name: definition for name, definition in studies.items() if name == study}
            searches = {} if studies else searches
        if dataset is not None:
            sets = {_dataset_of(definition) for definition in (*studies.values(), *searches.values())}
            if dataset not in sets:
                raise NothingToReportError(f"no study on data set {dataset!r}; there are: {', '.join(sorted(sets))}")
            studies, searches = (
                {name: definition for name, definition in definitions.items() if _dataset_of(definition) == dataset}
                for definitions in (studies, searches)
            )
        return replace(self, studies=studies, searches=searches)


def load_definitions(runs: Sequence[Path]) -> Definitions:
    """Every study and search in the run folders; the same one in several folders is joined.

    Raises:
        NothingToReportError: a folder that does not exist, or no study in any of them.
    """
    for run in runs:
        if not run.is_dir():
            raise NothingToReportError(f"{run} is not a folder of runs")
    problems = Problems()
    definitions: dict[str, dict[str, Any]] = {}
    for path in (path for run in runs for path in sorted((run / "studies").glob("*.json"))):
        definition = problems.attempt(read_study, path)
        if definition is not None:
            name = str(definition["name"])
            definitions[name] = (
                _join(definitions[name], definition, path, problems) if name in definitions else definition
            )
    if not definitions:
        places = ", ".join(str(run / "studies") for run in runs)
        raise NothingToReportError("\n".join([f"no readable study (NAME.json) in {places}", *problems.messages]))
    searches = {name: definition for name, definition in definitions.items() if "search" in definition}
    studies = {name: definition for name, definition in definitions.items() if name not in searches}
    keys = {
        name: frozenset(k for arm in definition["arms"] for k in arm["keys"].values())
        for name, definition in definitions.items()
    }
    return Definitions(studies=studies, searches=searches, keys=keys, problems=tuple(problems.messages))


def _dataset_of(definition: dict[str, Any]) -> str:
    return str(as_object(definition.get("dataset")).get("name") or "not named")


def _join(first: dict[str, Any], second: dict[str, Any], path: Path, problems: Problems) -> dict[str, Any]:
    """The arms and seeds of two definitions of a study; where they contradict each other, the first holds."""
    shared = ("question", "dataset", "budget", "reported_split")
    differing = ", ".join(name for name in shared if first.get(name) != second.get(name))
    if differing:
        differently = f"defines the study differently from a folder before it ({differing})"
        problems.messages.append(f"{path}: {differently}; left out")
        return first
    arms = {_identity(arm): dict(arm) for arm in first["arms"]}
    for arm in second["arms"]:
        planned = arms.setdefault(_identity(arm), dict(arm))
        clash = [seed for seed, key in arm["keys"].items() if planned["keys"].get(seed, key) != key]
        if clash:
            problems.messages.append(
                f"{path}: arm {arm['label']!r} has other trials at seed {', '.join(clash)}; left out"
            )
        planned["keys"] = {**arm["keys"], **planned["keys"]}
    others = {
        other["folder"]: other for definition in (second, first) for other in definition.get("evaluated_on") or []
    }
    return {**first, "arms": list(arms.values())} | ({"evaluated_on": list(others.values())} if others else {})


def _identity(arm: dict[str, Any]) -> tuple[str, ...]:
    """What tells an arm from the others; labels of a search's candidates are rounded, so their values count too."""
    values = json.dumps(arm["values"], sort_keys=True) if "values" in arm else ""
    return str(arm["label"]), str(arm.get("group")), values


def read_study(path: Path) -> dict[str, Any]:
    """A study: its arms with their keys, and what is said about it.

    Raises:
        RecordError: another format, no usable list of arms, or a value of another type than the report reads.
    """
    study = read_object(path, format=FORMAT)
    require(path, study, {"name": str, "reported_split": str, "arms": list})
    require(path, study, _OF_STUDY, optional=True)
    _require_others(path, study)
    if not is_name(study["reported_split"]):
        raise RecordError(f"{path}: 'reported_split' must name a folder, is {shortly(study['reported_split'])}")
    for position, arm in enumerate(study["arms"]):
        _require_arm(path, arm, f"arm {position + 1}: ")
    if "search" in study:
        _require_search(path, study["search"])
    elif not study["arms"]:
        raise RecordError(f"{path}: lists no arms")
    return study


def _require_arm(path: Path, arm: Any, where: str) -> None:
    if not isinstance(arm, dict):
        raise RecordError(f"{path}: {where}must be an object, is {shortly(arm)}")
    require(path, arm, {"label": str, "keys": dict}, where=where)
    require(path, arm, _OF_ARM, where=where, optional=True)
    if not all(is_name(key) and _SEED.fullmatch(seed) for seed, key in arm["keys"].items()):
        raise RecordError(f"{path}: {where}'keys' must map seeds to keys of trials, is {shortly(arm['keys'])}")
    ended = arm.get("ended") or {}
    if ended and not is_number(ended.get("step", 0)):
        raise RecordError(f"{path}: {where}'ended': 'step' must be a number, is {shortly(ended['step'])}")


def _require_search(path: Path, search: Any) -> None:
    """Refuse a search's section that does not say what was searched; it may have no candidates yet."""
    if not isinstance(search, dict):
        raise RecordError(f"{path}: 'search' must be an object, is {shortly(search)}")
    where = "'search': "
    types = {"space": dict, "searcher": str, "trials": int, "objectives": list, "floors": dict, "datasets": list}
    require(path, search, types, where=where)
    require(path, search, {"control_of": str, "limits": dict}, where=where, optional=True)
    require(path, search["space"], {"operators": str, "base": dict}, where=f"{where}'space': ", optional=True)
    for name in ("floors", "limits"):
        wrong = next((value for value in (search.get(name) or {}).values() if not is_number(value)), None)
        if wrong is not None:
            raise RecordError(f"{path}: {where}'{name}' must hold numbers, holds {shortly(wrong)}")
    for name in ("objectives", "datasets"):
        if not all(isinstance(item, str) for item in search[name]):
            raise RecordError(f"{path}: {where}'{name}' must hold strings, is {shortly(search[name])}")


def _require_others(path: Path, study: dict[str, Any]) -> None:
    """Refuse what a study says of the other data sets that it is evaluated on, where the report cannot read it.

    Raises:
        RecordError: naming the file.
    """
    for other in study.get("evaluated_on") or []:
        if not isinstance(other, dict):
            raise RecordError(f"{path}: 'evaluated_on' must hold objects, holds {shortly(other)}")
        where = "'evaluated_on': "
        require(path, other, {"folder": str, "split": str, "dataset": dict}, where=where)
        if not is_name(other["folder"]):
            raise RecordError(f"{path}: {where}'folder' must name a folder, is {shortly(other['folder'])}")
