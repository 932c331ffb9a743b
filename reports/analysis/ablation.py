"""What the candidates of a search say of its settings: main effects, importance, interactions and paths."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd

from reports.analysis.ablation_path import MOST_CHANGES, Network, Values, ablation_path, changes, network, values_of
from reports.analysis.candidates import ENDED, best, judged, objectives, shared_step, steps_of
from reports.records.files import as_object
from reports.records.levels import settings
from reports.records.plans import NAMED_PLANS, operators_of
from reports.records.related import values_at
from reports.records.search import SearchRecords
from reports.statistics.importance import Importance, importance
from reports.statistics.main_effects import COLUMNS, main_effects

ALL, FINISHED = "all that ended", "finished"
_NAMED = {name: plan for plan, name in NAMED_PLANS.items()}


@dataclass(frozen=True, kw_only=True)
class SearchPath:
    """A path from ``start`` to ``end``, which are named in words.

    ``steps``: as ``ablation_path``, with ``final`` gains beside those at the shared ``step``; empty where ``reason``
    says why there is no path.
    """

    start: str
    end: str
    steps: pd.DataFrame
    reason: str = ""

    @property
    def gaps(self) -> pd.DataFrame:
        """What would have to be trained."""
        return self.steps[self.steps["gain"].isna()] if len(self.steps) else self.steps


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Main ``effects`` by ``part`` and ``basis``, ``importances`` by part, both judged at ``step``, and ``paths``."""

    records: SearchRecords
    step: int | None
    effects: pd.DataFrame
    importances: dict[str, Importance | None]
    paths: list[SearchPath]

    @property
    def shares(self) -> pd.DataFrame:
        """Importance of each setting, by part and method."""
        tables = [result.single.assign(part=part) for part, result in self.importances.items() if result]
        empty = pd.DataFrame(columns=["importance", "chance", "p_value", "setting", "method", "part"])
        return pd.concat(tables or [empty], ignore_index=True)

    @property
    def pairs(self) -> pd.DataFrame:
        """What pairs of settings add, by part."""
        tables = [
            result.pairs.assign(part=part) for part, result in self.importances.items() if result and len(result.pairs)
        ]
        empty = pd.DataFrame(columns=["importance", "chance", "p_value", "first", "second", "part"])
        return pd.concat(tables or [empty], ignore_index=True)


def analyse(records: SearchRecords) -> Ablation:
    """Everything at the last step that all candidates reached; the search and its control apart.

    The control is drawn at random, so that its means are fair; a searcher proposes more of what did well.
    """
    candidates = judged(records.candidates)
    importances = {}
    for part in records.parts:
        distinct = candidates[candidates["part"] == part].drop_duplicates("keys")
        importances[part] = importance(
            settings(distinct, as_object(records.searched["space"])), distinct["shared_gain"]
        )
    return Ablation(
        records=records,
        step=shared_step(records.candidates),
        effects=effects_of(records),
        importances=importances,
        paths=paths_of(records),
    )


def effects_of(records: SearchRecords) -> pd.DataFrame:
    """Main effects in search and control, at the step that all reached and at the last, of finished candidates alone.

    Where nothing was stopped early the two are the same, and only the first is given.
    """
    step, last = shared_step(records.candidates), max(steps_of(records.candidates), default=None)
    tables = []
    judged_candidates, finished = (
        judged(records.candidates),
        records.candidates[records.candidates["state"] == "finished"],
    )
    levels = settings(records.candidates, as_object(records.searched["space"]))
    for part in records.parts:
        bases = [(ALL, step, judged_candidates.rename(columns={"gain": "last", "shared_gain": "gain"}))]
        bases += [(FINISHED, last, finished)] if last != step else []
        for basis, at, chosen in bases:
            gains = chosen[chosen["part"] == part]["gain"].astype(float)
            effects = main_effects(levels.loc[levels.index.intersection(gains.index)], gains)
            tables.append(effects.assign(part=part, basis=basis, step=nan if at is None else at))
    empty = pd.DataFrame(columns=[*COLUMNS, "part", "basis", "step"])
    return pd.concat([table for table in tables if len(table)] or [empty], ignore_index=True)


def paths_of(records: SearchRecords) -> list[SearchPath]:
    """Early to AutoFuse and AutoFuse to the best that was found; the base to the best where plans do not vary."""
    step, space = shared_step(records.candidates), as_object(records.searched["space"])
    best_candidate = best(records.candidates, objectives(records.searched["objectives"])[0])
    if step is None:
        return []
    candidates = pd.concat([records.candidates, records.related]) if len(records.related) else records.candidates
    early, final = (_by_network(candidates, column) for column in (f"gain_{step}", "gain"))
    named = {"the best found": as_object(best_candidate["values"])} if best_candidate is not None else {}
    base = values_at(as_object(space.get("base")), as_object(records.definition.get("budget")), space)
    if space.get("operators"):
        named |= {name: base | values_of(_NAMED[name]) for name in ("early", "AutoFuse")}
        ends = [("early", "AutoFuse"), ("AutoFuse", "the best found")]
    else:
        named |= {"the base": base}
        ends = [("the base", "the best found")]
    return [
        _path(start, end, named, early, final)
        for start, end in ends
        if _symbols(named[start]) <= set(operators_of(space.get("operators")))
    ]


def _symbols(values: Values) -> set[str]:
    return {str(value) for name, value in values.items() if name.startswith("plan.")}


def _path(
    start: str, end: str, named: Mapping[str, Values], early: Mapping[Network, float], final: Mapping[Network, float]
) -> SearchPath:
    none = SearchPath(start=start, end=end, steps=pd.DataFrame())
    if end not in named:
        return replace(none, reason="no candidate has been trained to the end")
    first, last = named[start], named[end]
    if any(name not in first for name in last if not name.startswith("plan.")):
        return replace(none, reason="the records do not state the settings that the search varies")
    if network(first) == network(last):
        return replace(none, reason="both are the same configuration")
    differing = len(changes({**last, **first}, {**first, **last}))
    if differing > MOST_CHANGES:
        return replace(none, reason=f"they differ in {differing} settings, more than {MOST_CHANGES}")
    steps = ablation_path(first, last, early)
    return SearchPath(
        start=start, end=end, steps=steps.assign(final=[final.get(name, nan) for name in steps["network"]])
    )


def _by_network(candidates: pd.DataFrame, column: str) -> dict[Network, float]:
    """The gain of each configuration that ended and has one; the mean where it was tried more than once."""
    ended = candidates[candidates["state"].isin(ENDED)].dropna(subset=[column])
    gains: dict[Network, list[float]] = {}
    for values, gain in zip(ended["values"], ended[column].astype(float), strict=True):
        gains.setdefault(network(values), []).append(gain)
    return {name: float(np.mean(repeats)) for name, repeats in gains.items()}
