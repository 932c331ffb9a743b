"""Figures that papers give for an arm's method, beside what was measured here: context, not a comparison."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.files import as_object
from reports.records.metric import METRICS_BY_NAME
from reports.tables.table import Table, caption
from reports.wording import NOT_MEASURED

COLUMNS = ("arm", "dataset", "metric", "published", "measured", "source")


def published(comparison: Comparison) -> Table:
    """A row for each published figure of the study's arms; empty where the study gives none.

    An arm of the study carries them as ``published``, a list of ``dataset``, ``metric``, ``value`` and ``source``. A
    measured value is shown beside one only where the data set and the metric are the same.
    """
    numbers = pd.DataFrame(list(_rows(comparison)), columns=list(COLUMNS))
    shown = pd.DataFrame(
        {
            "Arm": numbers["arm"],
            "Data set": numbers["dataset"],
            "Metric": [_title(name) for name in numbers["metric"]],
            "Published": [f"{value:g}" for value in numbers["published"]],
            "Measured here": [
                NOT_MEASURED if pd.isna(value) else METRICS_BY_NAME[name].number(value)
                for name, value in zip(numbers["metric"], numbers["measured"], strict=True)
            ],
            "Source": numbers["source"],
        }
    )
    text = (
        "Published figures are as their sources print them, on other splits, with other preprocessing and training: "
        "they are context, and nothing is concluded from how they compare. Measured figures are means over pairs and "
        "seeds of this study."
    )
    return Table(title="Published figures", caption=caption(text, comparison.records), numbers=numbers, shown=shown)


def _rows(comparison: Comparison) -> Iterator[tuple[Any, ...]]:
    evaluated_on = comparison.records.dataset.get("name")
    means = comparison.arms.drop_duplicates("arm").set_index("arm")
    for arm, entries in _entries(comparison):
        for entry in entries:
            name, dataset = str(entry["metric"]), str(entry.get("dataset") or "not named")
            comparable = dataset == evaluated_on and name in METRICS_BY_NAME
            measured = means[name][arm] if comparable else float("nan")
            yield arm, dataset, name, float(entry["value"]), measured, str(entry.get("source") or "not named")


def _entries(comparison: Comparison) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each arm's figures that say of what and how much, the same figure of the same method once."""
    seen: set[tuple[Any, ...]] = set()
    planned = [as_object(arm) for arm in comparison.records.definition.get("arms") or []]
    for arm, label, group in comparison.arms[["arm", "label", "group"]].itertuples(index=False):
        matching = (entry for entry in planned if (entry["label"], str(entry.get("group") or "arms")) == (label, group))
        figures = next(matching, {}).get("published")
        entries = [as_object(entry) for entry in figures] if isinstance(figures, list) else []
        usable = [entry for entry in entries if "metric" in entry and _is_number(entry.get("value"))]
        keys = [(entry.get("source"), entry.get("dataset"), entry["metric"], entry["value"]) for entry in usable]
        fresh = [entry for entry, key in zip(usable, keys, strict=True) if key not in seen]
        seen |= set(keys)
        yield str(arm), fresh


def _title(name: str) -> str:
    return METRICS_BY_NAME[name].label if name in METRICS_BY_NAME else name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
