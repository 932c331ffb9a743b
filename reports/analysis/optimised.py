"""What arms score after instance optimisation of their results, where a study measured that as arms of their own."""

import json
from collections.abc import Mapping
from typing import Any

from reports.analysis.comparison import Comparison
from reports.records.files import as_object
from reports.records.loading import OPTIMISED


def optimised_arms(comparison: Comparison) -> dict[str, str]:
    """For each arm, the arm that starts from its results; the one with the fewest steps where there are several."""
    records = comparison.records
    methods = {str(entry["label"]): as_object(entry.get("method")) for entry in records.definition.get("arms") or []}
    arms = {_identity(methods[label]): arm for arm, label in _named(comparison) if label in methods}
    optimised: dict[str, tuple[float, str]] = {}
    for arm, label in _named(comparison):
        method = methods.get(label, {})
        parent = arms.get(_identity(as_object(method.get("of")))) if method.get("name") == OPTIMISED else None
        if parent is not None:
            optimised[parent] = min(optimised.get(parent, (float("inf"), "")), (float(method.get("steps") or 0), arm))
    return {parent: arm for parent, (_, arm) in optimised.items()}


def _named(comparison: Comparison) -> list[tuple[str, str]]:
    arms = comparison.records.arms
    return [(str(arm), str(label)) for arm, label in zip(arms["arm"], arms["label"], strict=True)]


def _identity(method: Mapping[str, Any]) -> str:
    return json.dumps(method, sort_keys=True)
