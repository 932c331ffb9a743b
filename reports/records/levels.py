"""What each candidate of a search chose, as a table of levels: one row per candidate, one column per setting."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from reports.records.plans import DEAD, STAGES, is_plan, operator_name, operators_of, stage_symbols

INACTIVE = "not active"
BINS = 4
"""Into how many equal parts a range is cut, on its own scale."""


def settings(candidates: pd.DataFrame, space: dict[str, Any]) -> pd.DataFrame:
    """The levels of each candidate, as words, in ordered categories: ``stage N`` for each stage, then the parameters.

    Dead stages and parameters that do not count for a candidate have a level of their own. Candidates without a plan
    are left out where the space varies the plan, and so are stages and parameters that never vary.
    """
    columns: dict[str, Any] = {}
    if operators := operators_of(space.get("operators")):
        candidates = candidates[candidates["plan"].map(is_plan).astype(bool)]
        words = [operator_name(symbol) for symbol in (*operators, DEAD)]
        symbols = candidates["plan"].map(stage_symbols)
        for stage in STAGES:
            columns[f"stage {stage}"] = _stage(symbols.map(itemgetter(stage - 1)), words)
    for parameter in space.get("parameters") or []:
        columns[str(parameter["name"])] = _parameter(candidates["values"], parameter)
    varied = {name: column for name, column in columns.items() if column.nunique() > 1}
    return pd.DataFrame(varied, index=candidates.index)


def is_parameter(entry: Any) -> bool:
    """Whether a space's parameter has a name and a list of values or the ends of a range."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return False
    if "values" in entry:
        return isinstance(entry["values"], list) and len(entry["values"]) > 0
    low, high = entry.get("low"), entry.get("high")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return False
    return (0.0 if entry.get("log") else -inf) < low < high


def is_stage(name: object) -> bool:
    """Whether a column is a stage."""
    return str(name).startswith("stage ")


def _stage(symbols: "pd.Series[str]", words: Sequence[str]) -> "pd.Series[Any]":
    met = symbols.map(operator_name)
    return _ordered(met, [*words, *sorted(set(met) - set(words))])


def _parameter(values: "pd.Series[Any]", parameter: dict[str, Any]) -> "pd.Series[Any]":
    name, level = parameter["name"], level_of(parameter)
    met = values.map(lambda configuration: level(configuration[name]) if name in configuration else INACTIVE)
    return _ordered(met, [*levels(parameter), *sorted(set(met) - {INACTIVE}), INACTIVE])


def levels(parameter: dict[str, Any]) -> list[str]:
    """The values that a parameter may take, or the parts that its range is cut into, in words."""
    listed = parameter.get("values")
    return list(range_levels(parameter)) if listed is None else [word(value) for value in listed]


def level_of(parameter: dict[str, Any]) -> Callable[[Any], str]:
    """What gives the level that a value belongs to; a value beyond its space is a level of its own."""
    if parameter.get("values") is not None:
        return word
    bins = range_levels(parameter)
    names, starts = list(bins), [low for low, _ in bins.values()]

    def level(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return word(value)
        return names[max(0, bisect_right(starts, value) - 1)]

    return level


def range_levels(parameter: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """The equal parts that a range is cut into on its own scale, by name, with their ends."""
    low, high = float(parameter["low"]), float(parameter["high"])
    edges = np.geomspace(low, high, BINS + 1) if parameter.get("log") else np.linspace(low, high, BINS + 1)
    return {f"{start:.2g} to {end:.2g}": (float(start), float(end)) for start, end in pairwise(edges)}


def word(value: Any) -> str:
    """A value of a parameter in words."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def _ordered(met: "pd.Series[Any]", declared: Sequence[str]) -> "pd.Series[Any]":
    present = set(met)
    levels = [level for level in dict.fromkeys(declared) if level in present]
    return pd.Series(pd.Categorical(met, categories=levels, ordered=True), index=met.index)
