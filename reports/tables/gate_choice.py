"""Do gates choose? How far their weights spread, how often they decide, and what the network scores without it."""

from collections.abc import Iterator
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from reports.analysis.comparison import Comparison
from reports.statistics.intervals import Interval, holm, mean_interval
from reports.tables.table import Table, caption
from reports.wording import listing, number, plural, quoted

HELD = "dice_gates_held"
_COLUMNS = [
    "arm", "spread", "decided", "dice", "held", "difference", "low", "high", "p_holm", "limit", "control",
    "over_control", "over_control_low", "over_control_high", "over_control_p_holm", "over_control_limit",
]  # fmt: skip
_WITHOUT_WEIGHTS = str.maketrans("gq", "pe")
"""What mixes the candidates of a gate in equal parts: the sum of joint and single, the average of three."""


def gate_choice(comparison: Comparison) -> Table:
    """A row for each gated arm: spread and decided share of its weights, Dice with its gates free and held, and how far
    it is from the same candidates in equal parts, where an arm has those."""
    records = comparison.records
    rows = [
        _measure(comparison, str(arm), gates, records.pairs[records.pairs["arm"] == arm])
        for arm, gates in records.pair_gates.groupby("arm", sort=False)
        if HELD in records.pairs and records.pairs[HELD][records.pairs["arm"] == arm].notna().any()
    ]
    numbers = pd.DataFrame(rows, columns=_COLUMNS)
    for name in ("p_holm", "over_control_p_holm"):
        numbers[name] = holm(numbers[name])
    shown = pd.DataFrame(
        {
            "Arm": numbers["arm"],
            "Spread of weights": [number(value, 2) for value in numbers["spread"]],
            "Decided": [_percent(value) for value in numbers["decided"]],
            "Dice": [number(value, 3) for value in numbers["dice"]],
            "Gates held at their means": [number(value, 3) for value in numbers["held"]],
            "Gain of choosing (95 % interval)": _intervals(numbers, "difference", "low", "high", "limit"),
            "Reading": [_reading(row) for _, row in numbers.iterrows()],
        }
    )
    text = (
        "Spread: standard deviation of a weight over voxels and channels, mean over candidates, stages and pairs. "
        "Decided: share of voxels and channels in which one candidate has more than 0.9 of the weight. Gates held: "
        "each gate of the trained network has its mean weights over the pairs; the gain is that of the free gates. "
        "Intervals are each at 95 % by itself; a reading needs significance after Holm correction over the arms."
    )
    if numbers["control"].any():
        shown["Over equal parts (95 % interval)"] = _intervals(
            numbers, "over_control", "over_control_low", "over_control_high", "over_control_limit"
        )
        controls = dict(zip(numbers["arm"], numbers["control"], strict=True))
        named = listing(sorted({control for control in controls.values() if control}))
        text += f" Over equal parts: against the same candidates mixed without weights ({named})."
    if (numbers[["limit", "over_control_limit"]] == "one seed").any(axis=None):
        text += " † One trained network: over blocks alone."
    return Table(title="Do the gates choose?", caption=caption(text, records), numbers=numbers, shown=shown)


def gates_in_a_sentence(table: Table) -> str:
    """What the gates of all arms did, and whether it helped; empty where it was not measured."""
    numbers = table.numbers
    if not len(numbers):
        return ""
    least, most = _percent(numbers["decided"].min()), _percent(numbers["decided"].max())
    decided = least if least == most else f"{least.removesuffix(' %')} to {most}"
    gaining = numbers[[_reading(row) == "choosing helps" for _, row in numbers.iterrows()]]
    once = " in these trained networks" if (gaining["limit"] != "").any() else ""
    named = listing([quoted(arm) for arm in gaining["arm"]]) if len(gaining) else ""
    held = (
        f"left free, they score better than held at their mean weights in {named}{once}."
        if len(gaining)
        else "in no arm is it shown that they score better left free than held at their mean weights."
    )
    return " ".join([f"Gates decide for one candidate in {decided} of voxels and channels; {held}", *_beside(numbers)])


def _beside(numbers: pd.DataFrame) -> Iterator[str]:
    """How gates compare with the same candidates in equal parts, in a sentence, where they can be compared."""
    given = numbers[(numbers["control"] != "") & numbers["over_control"].notna()]
    if given.empty:
        return
    least, most = (
        number(value, 3, signed=True) for value in (given["over_control"].min(), given["over_control"].max())
    )
    span = f"the differences are {least} to {most} Dice" if len(given) > 1 else f"the difference is {least} Dice"
    beside = "the same candidates in equal parts"
    if (given["over_control_limit"] != "").all():
        limits = listing(sorted(set(given["over_control_limit"])))
        yield f"Whether weights do better than {beside} cannot be said ({limits}); {span}."
        return
    certain = given[given["over_control_p_holm"] < 0.05]
    better, worse = int((certain["over_control"] > 0).sum()), int((certain["over_control"] < 0).sum())
    yield (
        f"Of {plural(len(given), 'gated arm')}, {better} {'is' if better == 1 else 'are'} shown to score higher than "
        f"{beside}, and {worse} lower; {span}."
    )


def _measure(comparison: Comparison, arm: str, gates: pd.DataFrame, pairs: pd.DataFrame) -> list[object]:
    held, control = _gain(pairs), _control(comparison, arm)
    beside = Interval(estimate=float("nan"))
    if control:
        beside = comparison.blocks.difference(arm, control, first_trained=True, second_trained=True)
    return [
        arm, gates["spread"].mean(), gates["decided"].mean(), pairs["dice"].mean(), pairs[HELD].mean(),
        held.estimate, held.low, held.high, _p_value(held), held.limit, control,
        beside.estimate, beside.low, beside.high, beside.p_value, beside.limit,
    ]  # fmt: skip


def _control(comparison: Comparison, arm: str) -> str:
    """The evaluated arm that mixes the candidates of all gates of ``arm`` in equal parts, or nothing."""
    plans = comparison.evaluated.set_index("arm")["canonical_plan"]
    wanted = str(plans.get(arm)).translate(_WITHOUT_WEIGHTS)
    return next((str(other) for other, plan in plans.items() if plan == wanted and other != arm), "")


def _gain(pairs: pd.DataFrame) -> Interval:
    """Dice of the free gates less that of the held ones, over blocks and seeds."""
    gain = pairs.assign(gain=pairs["dice"] - pairs[HELD])
    by_block = gain.pivot_table(index="seed", columns="block", values="gain", aggfunc="mean")
    return mean_interval(np.asarray(by_block, dtype=float))


def _p_value(interval: Interval) -> float:
    """That a mean is not 0; of one seed, over blocks alone, which is for the network at hand."""
    if isnan(interval.standard_error) or interval.standard_error == 0:
        return 0.0 if interval.standard_error == 0 and interval.estimate else float("nan")
    return float(2 * stats.t.sf(abs(interval.estimate) / interval.standard_error, interval.degrees_of_freedom))


def _reading(row: "pd.Series[float]") -> str:
    if isnan(row["p_holm"]) or row["p_holm"] >= 0.05:
        return "no gain shown"
    return "choosing helps" if row["difference"] > 0 else "choosing hurts"


def _percent(share: float) -> str:
    """``25 %``; a share that is not nothing is not called nothing."""
    return "less than 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _intervals(numbers: pd.DataFrame, middle: str, low: str, high: str, limit: str) -> list[str]:
    def words(row: "pd.Series[Any]") -> str:
        if isnan(row[middle]):
            return ""
        ends = f"{number(row[low], 4, signed=True)} to {number(row[high], 4, signed=True)}"
        return f"{number(row[middle], 4, signed=True)} ({ends})" + (" †" if row[limit] == "one seed" else "")

    return [words(row) for _, row in numbers.iterrows()]
