"""What the trials of a study score on data sets that they were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fusemorph.storage import RecordError
from reports.records.contents import is_name, printable_table, require, shortly
from reports.records.files import Problems, as_object, csv_path, read_pairs


@dataclass(frozen=True, kw_only=True)
class OtherData:
    """A split of another data set, as the study describes the set, and the ``pairs`` of every evaluated trial."""

    folder: str
    split: str
    dataset: dict[str, Any]
    pairs: pd.DataFrame

    @property
    def name(self) -> str:
        """What the data set is called."""
        return str(self.dataset.get("name") or self.folder)


def require_others(path: Path, study: dict[str, Any]) -> None:
    """Refuse what a study says of the other data sets that it is evaluated on, where the report cannot read it.

    Raises:
        RecordError: naming the file.
    """
    for other in study.get("evaluated_on") or []:
        if not isinstance(other, dict):
            raise RecordError(f"{path}: 'evaluated_on' must hold objects, holds {shortly(other)}")
        where = "'evaluated_on': "
        require(path, other, {"folder": str, "split": str, "dataset": dict}, where=where)
        if not is_name(other["folder"]):
            raise RecordError(f"{path}: {where}'folder' must name a folder, is {shortly(other['folder'])}")


def load_others(definition: dict[str, Any], trials: pd.DataFrame, problems: Problems) -> tuple[OtherData, ...]:
    """The evaluations of the study's trials on each of the other data sets; a trial without one has no rows."""
    return tuple(
        OtherData(
            folder=other["folder"], split=other["split"], dataset=as_object(other["dataset"]),
            pairs=_pairs(other["folder"], trials, problems),
        )
        for other in definition.get("evaluated_on") or []
    )  # fmt: skip


def _pairs(evaluation: str, trials: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    tables: list[pd.DataFrame] = []
    for arm, seed, folder in trials[["arm", "seed", "folder"]].itertuples(index=False):
        path = csv_path(Path(folder) / "eval" / evaluation / "pairs") if folder else None
        if path is not None and (table := problems.attempt(read_pairs, path)) is not None:
            tables.append(printable_table(table).assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def differing_grids(trained_on: dict[str, Any], others: Sequence[OtherData]) -> dict[str, tuple[str, str]]:
    """Of each other data set whose images lie on another grid than those trained on: its grid and theirs, in words."""
    own = _grid(trained_on)
    return {other.name: (_grid(other.dataset), own) for other in others if _grid(other.dataset) != own}


def _grid(dataset: dict[str, Any]) -> str:
    shape, spacing = (dataset.get(name) for name in ("shape", "spacing_mm"))
    if not isinstance(shape, list) or not isinstance(spacing, list):
        return "a grid that is not recorded"
    return " voxels at ".join("x".join(map(_shortly, own)) for own in (shape, spacing)) + " mm"


def _shortly(side: Any) -> str:
    return f"{side:.4g}" if isinstance(side, int | float) else "?"
