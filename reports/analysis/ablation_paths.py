"""Which paths a search calls for, over its candidates and over what other studies trained by the same rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd

from reports.analysis.ablation_path import MOST_CHANGES, Network, Values, ablation_path, changes, network, values_of
from reports.analysis.search import ENDED, best, objectives, shared_step
from reports.records.plans import NAMED_PLANS
from reports.records.related import values_at
from reports.records.search import SearchRecords
from reports.records.trial import as_object

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


def paths_of(records: SearchRecords) -> list[SearchPath]:
    """Early to AutoFuse and AutoFuse to the best that was found; the base to the best where plans do not vary."""
    step, space = shared_step(records.candidates), as_object(records.searched["space"])
    found = best(records.candidates, objectives(records)[0])
    if step is None:
        return []
    known = pd.concat([records.candidates, records.related]) if len(records.related) else records.candidates
    early, final = (_by_network(known, column) for column in (f"gain_{step}", "gain"))
    named = {"the best found": as_object(found["values"])} if found is not None else {}
    own = values_at(as_object(space.get("base")), as_object(records.definition.get("budget")), space)
    if space.get("operators"):
        named |= {name: own | values_of(_NAMED[name]) for name in ("early", "AutoFuse")}
        wanted = [("early", "AutoFuse"), ("AutoFuse", "the best found")]
    else:
        named |= {"the base": own}
        wanted = [("the base", "the best found")]
    return [
        _path(start, end, named, early, final)
        for start, end in wanted
        if _symbols(named[start]) <= set(str(space.get("operators") or ""))
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
    amount = len(changes({**last, **first}, {**first, **last}))
    if amount > MOST_CHANGES:
        return replace(none, reason=f"they differ in {amount} settings, more than {MOST_CHANGES}")
    steps = ablation_path(first, last, early)
    return SearchPath(start=start, end=end, steps=steps.assign(final=[final.get(one, nan) for one in steps["network"]]))


def _by_network(candidates: pd.DataFrame, column: str) -> dict[Network, float]:
    """The gain of each configuration that ended and has one; the mean where it was tried more than once."""
    known = candidates[candidates["state"].isin(ENDED)].dropna(subset=[column])
    gains: dict[Network, list[float]] = {}
    for values, gain in zip(known["values"], known[column].astype(float), strict=True):
        gains.setdefault(network(values), []).append(gain)
    return {name: float(np.mean(own)) for name, own in gains.items()}
