"""All that is known of one study, as tidy tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.records.files import EVALUATED, as_object, file_stem
from reports.records.other_data import OtherData


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Where an arm's slices lie, and which pairs they show (by rank: best, median, worst)."""

    seed: str
    path: Path
    pairs: dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class StudyRecords:
    """All that is known of one study. Tables carry ``arm`` (unique in the study) and ``seed``.

    ``trials`` has a row for each planned trial: its ``state`` (evaluated, not evaluated, running, pruned, failed,
    missing, unreadable) and ``reason``, what it is, what it cost. ``pairs``, ``labels`` and
    ``pair_gates`` are of the reported split. ``others``: evaluations on data sets that were not trained on.
    """

    name: str
    definition: dict[str, Any]
    arms: pd.DataFrame
    trials: pd.DataFrame
    pairs: pd.DataFrame
    labels: pd.DataFrame
    history: pd.DataFrame
    gates: pd.DataFrame
    pair_gates: pd.DataFrame
    pictures: dict[str, Pictures]
    problems: tuple[str, ...]
    others: tuple[OtherData, ...] = ()

    @property
    def stem(self) -> str:
        """The study's name as the beginning of a file's name."""
        return file_stem(self.name)

    @property
    def split(self) -> str:
        return str(self.definition["reported_split"])

    @property
    def is_selection_split(self) -> bool:
        """Whether the figures are of the split on which choices were made."""
        return bool(self.split == self.definition.get("selection_split", "val"))

    @property
    def dataset(self) -> dict[str, Any]:
        return as_object(self.definition.get("dataset"))

    @property
    def complete(self) -> bool:
        return bool((self.trials["state"] == EVALUATED).all())
