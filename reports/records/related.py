"""Trials of other studies that a search could have proposed: the same budget and data, another point of its space."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reports.records.files import as_object
from reports.records.plans import DEAD, STAGES, is_coarse_to_fine, is_plan, stage_symbols

Entry = dict[str, Any]


def related_arms(entry: Entry, studies: Iterable[Entry]) -> Iterator[Entry]:
    """Arms of ``studies`` with the ``values`` that a candidate of the search would have, at the search's seeds."""
    space, seeds = as_object(entry["search"]["space"]), [str(seed) for seed in entry.get("seeds") or [0]]
    alike = (study for study in studies if all(study.get(name) == entry.get(name) for name in ("budget", "dataset")))
    for arm in (arm for study in alike for arm in study["arms"]):
        method = as_object(arm.get("method"))
        if arm.get("budget_changes") or _apart(method, space) != _apart(as_object(space.get("base")), space):
            continue
        if is_coarse_to_fine(str(method.get("plan"))) != is_coarse_to_fine(str(space.get("operators"))):
            continue
        if all(seed in arm["keys"] for seed in seeds):
            values = values_at(method, as_object(entry.get("budget")), space)
            yield {**arm, "values": values, "keys": {seed: arm["keys"][seed] for seed in seeds}}


def values_at(method: Mapping[str, Any], budget: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration has for each parameter of a space; without those that it does not state."""
    plan = method.get("plan") if space.get("operators") else None
    stages = zip(STAGES, stage_symbols(plan), strict=True) if isinstance(plan, str) and is_plan(plan) else ()
    values: dict[str, Any] = {f"plan.{stage}": symbol for stage, symbol in stages if symbol != DEAD}
    for name in _names(space):
        *folders, last = name.split(".")
        place = budget if folders == ["budget"] or name == "width" else method
        place = as_object(place.get(folders[0])) if folders and place is method else place
        values |= {name: place[last]} if last in place else {}
    return values


def _names(space: Mapping[str, Any]) -> list[str]:
    return [str(parameter["name"]) for parameter in space.get("parameters") or []]


def _apart(method: Mapping[str, Any], space: Mapping[str, Any]) -> Entry:
    """A configuration without what the space varies."""
    rest: Entry = json.loads(json.dumps(method))
    if space.get("operators"):
        rest.pop("plan", None)
    for name in _names(space):
        *folders, last = name.split(".")
        as_object(rest.get(folders[0]) if folders else rest).pop(last, None)
    return rest
