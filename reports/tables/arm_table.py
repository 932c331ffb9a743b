"""A table of one row per arm, whichever its columns are."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.metric import METRICS_BY_NAME
from reports.tables.table import Table, caption
from reports.wording import NOT_APPLICABLE, NOT_MEASURED, listing, plural, share

Row: TypeAlias = "pd.Series[Any]"
Columns: TypeAlias = dict[str, Callable[[Row], str]]

FRACTIONS = ("folding_fraction", "ndv_fraction")
MEANS = "Means are over pairs, then over seeds"


def arm_table(
    comparison: Comparison,
    title: str,
    text: str,
    columns: Columns,
    numbers: Sequence[str],
    *,
    arms: pd.DataFrame | None = None,
    best: bool = False,
) -> Table:
    """A row for each of ``arms`` (default: all), with a column for each of ``columns`` that says anything; with
    ``best``, the rows of the best mean are bold."""
    arms = comparison.arms if arms is None else arms
    rows = [[show(row) for show in columns.values()] for _, row in arms.iterrows()]
    shown = pd.DataFrame(rows, columns=list(columns))
    contents = {name: set(shown[name]) - {"", "no result", NOT_APPLICABLE} for name in columns if len(shown)}
    unknown = [name for name, words in contents.items() if words == {NOT_MEASURED}]
    if unknown:
        text += f" Not measured in any arm: {listing([name.strip() for name in unknown])}."
    empty = [name for name in contents if set(shown[name]) <= {"", NOT_APPLICABLE}]
    failing = arms[arms["failed_pairs"] > 0]
    if len(failing):
        shown["Arm"] += np.where(arms["failed_pairs"] > 0, " ‡", "")
        failures = (f"{arm['arm']} on {arm['failed_pairs']} of {arm['evaluations']}" for _, arm in failing.iterrows())
        text += f" ‡ Failed on pairs that its means leave out: {listing(list(failures))}."
    return Table(
        title=title,
        caption=caption(text, comparison.records),
        numbers=arms[["arm", "group", *numbers]].reset_index(drop=True),
        shown=shown.drop(columns=[*unknown, *empty]),
        groups=tuple(arms["group"]),
        short=tuple(arms["arm" if comparison.arms.duplicated(["group", "family"]).any() else "family"]),
        marked=_best(comparison, arms) if best else (),
    )


def _best(comparison: Comparison, arms: pd.DataFrame) -> tuple[bool, ...]:
    """Which of the methods has the best mean, as far as the table shows its decimals; floor and ceiling are none."""
    metric = comparison.metric
    means = arms[metric.mean].round(metric.digits).where(arms["arm"].isin(comparison.methods["arm"]))
    return tuple(means == (means.max() if metric.higher_is_better else means.min()))


def measured(name: str, row: Row) -> str:
    return result(row, share(row[name]) if name in FRACTIONS else METRICS_BY_NAME[name].number(row[name]))


def result(row: Row, text: str) -> str:
    return text if row["seeds"] else ""


def of_network(row: Row, name: str, show: Callable[[float], str]) -> str:
    """What only networks have: its value, or that it does not apply to a method without any."""
    return NOT_APPLICABLE if row["parameters"] == 0 else show(row[name])


def machine(comparison: Comparison) -> str:
    """On what the cost was measured, as far as all arms agree."""
    trials = comparison.records.trials.dropna(subset=["cost_latency_s"])
    machines = zip(trials["cost_device"], trials["cost_threads"].fillna(0), strict=True)
    devices = {(str(device), int(threads)) for device, threads in machines}
    if len(devices) != 1:
        return f" (on {len(devices)} kinds of device or numbers of threads: not comparable)" if devices else ""
    device, threads = devices.pop()
    return f" ({device}, {plural(threads, 'thread')})"
