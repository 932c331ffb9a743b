"""All records of a report at once, as the checklist asks about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.search import SearchRecords
from reports.wording import plural

SHOWN, IN_PART, NOT_SHOWN, NO_SEARCH = "shown", "in part", "not shown", "does not apply"
NONE = (NO_SEARCH, "These records hold no search.")
Answer = tuple[str, str]


@dataclass(frozen=True)
class Evidence:
    """All records that a report is made of."""

    comparisons: Sequence[Comparison]
    searches: Sequence[SearchRecords]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Every trial that was begun, once."""
        tables = [comparison.records.trials for comparison in self.comparisons] + [
            comparison.trials for comparison in self.searches
        ]
        empty = pd.DataFrame(columns=["key", "seed", "state"])
        joined = pd.concat([table for table in tables if len(table)] or [empty])
        return joined[~joined["state"].isin(["missing", "unreadable"])].drop_duplicates("key")

    @cached_property
    def definitions(self) -> list[dict[str, Any]]:
        entries = [entry for search in self.searches for part in search.entries.values() for entry in part]
        return [comparison.records.definition for comparison in self.comparisons] + entries

    def recorded(self, column: str) -> list[str]:
        """The distinct values of a column of the trials, as text."""
        values = self.trials[column].dropna() if column in self.trials else pd.Series(dtype=object)
        return sorted({flat(value) for value in values} - {""})

    def lacking(self, column: str) -> int:
        """How many trials do not have it."""
        return int(self.trials[column].isna().sum()) if column in self.trials else len(self.trials)


def trials_with(evidence: Evidence, lacking: int) -> str:
    """How many of the trials have what ``lacking`` of them do not."""
    trials = len(evidence.trials)
    return f"All {plural(trials, 'trial')}" if not lacking else f"{trials - lacking} of {plural(trials, 'trial')}"


def flat(value: Any) -> str:
    """A value of the records on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {flat(setting)}" for name, setting in sorted(value.items()))
    if isinstance(value, list | tuple):
        return " ".join(map(flat, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
