"""Where an arm fuses its two images, from the plan of its network."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from reports.analysis.comparison import Comparison
from reports.records.files import as_object
from reports.records.plans import DEAD, STAGES, canonical, is_coarse_to_fine, is_plan, operator_name, stage_symbols
from reports.wording import listing

_GLOSS = {
    "j": "both images in one path", "s": "each image encoded apart", "g": "weighs joint against single",
    "c": "local matching of the two images", "m": "one convolution over joint, single and correlation",
    "q": "weighs joint, single and correlation",
}  # fmt: skip
"""What an operator does, for who has not read its file."""


def plan_of(comparison: Comparison, arm: str) -> str | None:
    """The canonical plan of an arm's network, or of the network whose results it starts from; None without one."""
    row = comparison.arms[comparison.arms["arm"] == arm].iloc[0]
    if isinstance(row["canonical_plan"], str) and is_plan(row["canonical_plan"]):
        return str(row["canonical_plan"])
    method = _method(comparison, str(row["label"]), str(row["group"]))
    while isinstance(method.get("of"), dict):
        method = as_object(method["of"])
    plan = method.get("plan")
    return canonical(plan) if isinstance(plan, str) and is_plan(plan) else None


def _method(comparison: Comparison, label: str, group: str) -> Mapping[str, Any]:
    for entry in comparison.records.definition.get("arms") or []:
        if (str(entry["label"]), str(entry.get("group") or "arms")) == (label, group):
            return as_object(entry.get("method"))
    return {}


def fusion_in_words(plan: str) -> str:
    """``single (each image encoded apart) at stages 1 to 4 and joint (both images in one path) at stages 5 to 7``."""
    runs = []
    for symbol, stages in groupby(zip(stage_symbols(plan), STAGES, strict=True), key=lambda entry: entry[0]):
        if symbol != DEAD:
            gloss = f" ({_GLOSS[symbol]})" if symbol in _GLOSS else ""
            runs.append(f"{operator_name(symbol)}{gloss} {_at([stage for _, stage in stages])}")
    decoding = ", decoded coarse to fine" if is_coarse_to_fine(plan) else ""
    return f"{listing(runs)}{decoding}"


def _at(stages: list[int]) -> str:
    if len(stages) == len(STAGES):
        return "at every stage"
    return f"at stage {stages[0]}" if len(stages) == 1 else f"at stages {stages[0]} to {stages[-1]}"
