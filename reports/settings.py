"""What each candidate of a search chose, as a table of levels: a row a candidate, a column a stage or other setting."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from reports.plans import DEAD, OPERATORS

INACTIVE = "not active"
BINS = 4
"""Into how many equal parts a range is cut, on its own scale."""


def settings(candidates: pd.DataFrame, space: dict[str, Any]) -> pd.DataFrame:
    """The levels of each candidate, as words, in ordered categories: ``stage N`` for each stage, then the parameters.

    Dead stages and parameters that do not count for a candidate have a level of their own. Candidates without a plan
    are left out where the space varies the plan, and so are stages and parameters that never vary.
    """
    columns: dict[str, Any] = {}
    if operators := str(space.get("operators") or ""):
        lengths = candidates["plan"].str.len()
        longest = int(lengths.max()) if len(candidates) else 0
        candidates = candidates[(lengths == longest) & (lengths > 0)]
        words = [OPERATORS.get(symbol, symbol) for symbol in (*operators, DEAD)]
        for stage in range(1, longest + 1):
            columns[f"stage {stage}"] = _stage(candidates["plan"].str[stage - 1], words)
    for one in space.get("parameters") or []:
        columns[str(one["name"])] = _parameter(candidates["values"], one)
    varied = {name: one for name, one in columns.items() if one.nunique() > 1}
    return pd.DataFrame(varied, index=candidates.index)


def stages_of(table: pd.DataFrame) -> list[str]:
    """Which of the columns are stages."""
    return [str(name) for name in table if str(name).startswith("stage ")]


def _stage(symbols: "pd.Series[str]", words: Sequence[str]) -> "pd.Series[Any]":
    met = symbols.map(lambda symbol: OPERATORS.get(symbol, symbol))
    return _ordered(met, [*words, *sorted(set(met) - set(words))])


def _parameter(values: "pd.Series[Any]", parameter: dict[str, Any]) -> "pd.Series[Any]":
    name, listed = parameter["name"], parameter.get("values")
    if listed is not None:
        met = values.map(lambda own: word(own[name]) if name in own else INACTIVE)
        known = [word(value) for value in listed]
        return _ordered(met, [*known, *sorted(set(met) - {*known, INACTIVE}), INACTIVE])
    edges = range_edges(parameter)
    bins = [f"{low:.2g} to {high:.2g}" for low, high in pairwise(edges)]
    met = values.map(lambda own: bins[_bin(own[name], edges)] if name in own else INACTIVE)
    return _ordered(met, [*bins, INACTIVE])


def range_edges(parameter: dict[str, Any]) -> np.ndarray:
    """The ends of the parts that a range is cut into."""
    low, high = float(parameter["low"]), float(parameter["high"])
    return np.geomspace(low, high, BINS + 1) if parameter.get("log") else np.linspace(low, high, BINS + 1)


def _bin(value: Any, edges: np.ndarray) -> int:
    return int(np.clip(np.searchsorted(edges, float(value), side="right") - 1, 0, len(edges) - 2))


def word(value: Any) -> str:
    """A value of a parameter in words."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def _ordered(met: "pd.Series[Any]", known: Sequence[str]) -> "pd.Series[Any]":
    levels = [level for level in dict.fromkeys(known) if level in set(met)]
    return pd.Series(pd.Categorical(met, categories=levels, ordered=True), index=met.index)
