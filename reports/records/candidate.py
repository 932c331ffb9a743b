"""One candidate of a search: the row that its trials and their curves make, with how it has ended."""

from collections.abc import Iterable, Sequence
from math import isnan, nan
from statistics import fmean
from typing import Any

import numpy as np

from reports.records.files import as_object
from reports.records.plans import NAMED_PLANS
from reports.wording import number

_UNSUCCESSFUL = ("failed", "unreadable", "pruned", "running", "missing")
FACTS = ("parameters", "flops")

Entry = dict[str, Any]
Curve = dict[int, tuple[float, float, float]]


def candidate_row(search: Entry, arm: Entry, rows: Sequence[dict[str, Any]], curves: Sequence[Curve]) -> dict[str, Any]:
    """A candidate's row: means over its trials, at the steps that all of them have reached.

    One that the search has stopped counts as it was then, whatever another study has trained of it since.
    """
    shared = sorted(set[int].intersection(*map(set, curves))) if curves else []
    gains = {step: fmean(curve[step][0] for curve in curves) for step in shared}
    seconds = sum((_number(row.get("training_s")) for row in rows if row["state"] != "missing"), 0.0)
    ended = as_object(arm.get("ended"))
    stopped = [step for step in shared if ended.get("state") == "pruned" and step <= ended.get("step", step)]
    if stopped and stopped != shared:
        seconds *= stopped[-1] / shared[-1]
        shared = stopped
    method, last = as_object(arm.get("method")), shared[-1] if shared else nan
    plans = [*(row.get("canonical_plan") for row in rows), method.get("plan")]
    plan = next((name for name in plans if isinstance(name, str)), "")
    row: dict[str, Any] = {
        "label": str(arm["label"]), "plan": plan, "name": _name(search, arm, plan), "step": last,
        "values": as_object(arm.get("values")), "keys": tuple(row["key"] for row in rows),
        "last_gain": gains[shared[-1]] if shared else nan,
        "folding": _mean(curve[shared[-1]][1] for curve in curves) if shared else nan,
        "regularity": _mean(curve[shared[-1]][2] for curve in curves) if shared else nan,
        "seconds": seconds,
        **{fact: _mean(_number(row.get(fact)) for row in rows) for fact in FACTS},
        **{f"gain_{step}": gain for step, gain in gains.items()},
    }  # fmt: skip
    state, reason = _ending(rows, row, as_object(search.get("limits")))
    if not rows and ended:
        reason = "is judged by a zero-cost proxy and has not been trained"
    if stopped and state == "finished":
        state, reason = "pruned", f"stopped at step {last}; another study has trained it to its end since"
    return row | {"state": state, "reason": reason, "gain": row["last_gain"] if state == "finished" else nan}


def _ending(rows: Sequence[dict[str, Any]], candidate: dict[str, Any], limits: Entry) -> tuple[str, str]:
    """How a candidate has ended, and why: with its worst trial, or with a limit that it does not keep."""
    for state in _UNSUCCESSFUL:
        for row in (row for row in rows if row["state"] == state):
            return state, str(row["reason"])
    if not rows:
        return "missing", "has no trials"
    if np.isnan(candidate["last_gain"]):
        return "failed", "has no val Dice"
    most = limits.get("folding")
    if isinstance(most, int | float) and candidate["folding"] > most:
        return "refused", f"folding fraction {number(candidate['folding'], 4)} is above the limit of {most:g}"
    return "finished", ""


def _name(search: Entry, arm: Entry, plan: str) -> str:
    """What the literature calls a candidate, or that it is the configuration that the search varies."""
    space = as_object(search.get("space"))
    if space.get("operators"):
        return NAMED_PLANS.get(plan, "")
    return "base" if arm.get("method") == space.get("base") and not arm.get("budget_changes") else ""


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if not isnan(value)]
    return fmean(finite) if finite else nan


def _number(value: Any) -> float:
    return nan if value is None else float(value)
