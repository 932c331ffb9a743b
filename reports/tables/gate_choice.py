"""Do gates choose? How far their weights spread, how often they decide, and what the network scores without it."""

import numpy as np
import pandas as pd

from reports.analysis.comparison import Comparison
from reports.statistics.intervals import Interval, mean_interval
from reports.tables.table import Table, caption
from reports.wording import number

HELD = "dice_gates_held"


def gate_choice(comparison: Comparison) -> Table:
    """A row for each gated arm: spread and decided share of its weights, Dice, and Dice with its gates held."""
    records = comparison.records
    rows = [
        _measure(str(arm), gates, records.pairs[records.pairs["arm"] == arm])
        for arm, gates in records.pair_gates.groupby("arm", sort=False)
        if HELD in records.pairs and records.pairs[HELD][records.pairs["arm"] == arm].notna().any()
    ]
    numbers = pd.DataFrame(rows, columns=["arm", "spread", "decided", "dice", "held", "difference", "low", "high"])
    intervals = list(zip(numbers["difference"], numbers["low"], numbers["high"], strict=True))
    shown = pd.DataFrame(
        {
            "Arm": numbers["arm"],
            "Spread of weights": [number(value, 2) for value in numbers["spread"]],
            "Decided": [f"{100 * value:.0f} %" for value in numbers["decided"]],
            "Dice": [number(value, 3) for value in numbers["dice"]],
            "Gates held at their means": [number(value, 3) for value in numbers["held"]],
            "Gain of choosing (95 % interval)": [
                f"{number(gain, 4, signed=True)} ({number(low, 4, signed=True)} to {number(high, 4, signed=True)})"
                for gain, low, high in intervals
            ],
            "Reading": [_reading(low, high) for _, low, high in intervals],
        }
    )
    text = (
        "Spread: standard deviation of a weight over voxels and channels, mean over candidates, stages and pairs. "
        "Decided: share of voxels and channels in which one candidate has more than 0.9 of the weight. Gates held: "
        "each gate of the trained network is given its mean weights over the pairs; the gain is that of the free gates."
    )
    return Table(title="Do the gates choose?", caption=caption(text, records), numbers=numbers, shown=shown)


def gates_in_a_sentence(table: Table) -> str:
    """What the gates of all arms did, in one sentence; empty where it was not measured."""
    numbers = table.numbers
    if not len(numbers):
        return ""
    gaining = [str(arm) for arm in numbers["arm"][numbers["low"] > 0]]
    least, most = (f"{100 * share:.0f}" for share in (numbers["decided"].min(), numbers["decided"].max()))
    decided = f"{least} %" if least == most else f"{least} to {most} %"
    if not gaining:
        return (
            f"The gates decide for one candidate in {decided} of voxels and channels, and in no arm is it shown that "
            "their choices score better than their mean weights."
        )
    return (
        f"The gates decide for one candidate in {decided} of voxels and channels; their choices score better than "
        f"their mean weights in {', '.join(gaining)}."
    )


def _measure(arm: str, gates: pd.DataFrame, pairs: pd.DataFrame) -> list[object]:
    interval = _gain(pairs)
    return [
        arm, gates["spread"].mean(), gates["decided"].mean(), pairs["dice"].mean(), pairs[HELD].mean(),
        interval.estimate, interval.low, interval.high,
    ]  # fmt: skip


def _gain(pairs: pd.DataFrame) -> Interval:
    """Dice of the free gates less that of the held ones, over blocks and seeds."""
    gain = pairs.assign(gain=pairs["dice"] - pairs[HELD])
    by_block = gain.pivot_table(index="seed", columns="block", values="gain", aggfunc="mean")
    return mean_interval(np.asarray(by_block, dtype=float))


def _reading(low: float, high: float) -> str:
    if low > 0:
        return "choosing helps"
    return "choosing hurts" if high < 0 else "no gain shown"
