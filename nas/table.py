"""A table of trained plans: the curve of every plan of a space, by data set and seed, as a file that searches replay.

A parquet file (or JSON of the same content) with a row for each validation: ``plan``, ``dataset``, ``seed``, ``step``,
``val_dice``, ``val_folding_fraction``, ``val_sd_log_jacobian``, ``seconds`` of training so far, ``parameters`` and
``flops``. Its metadata say of which space and budget it is, and on which data. No torch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusemorph.configuration import Json, canonical_json
from nas.space import Space

FORMAT = 1
METADATA = b"fusemorph"
NUMBERS = ("val_dice", "val_folding_fraction", "val_sd_log_jacobian", "seconds")
COUNTS = ("seed", "step", "parameters", "flops")
COLUMNS = ("plan", "dataset", *COUNTS, *NUMBERS)
BASE: Json = {"name": "fusion"}


class TableError(ValueError):
    """A file is no table of trained plans; the message names the file and the row."""


@dataclass(frozen=True)
class PlanTable:
    """The rows, and what ``metadata`` say: ``format``, ``space``, ``budget`` and ``datasets`` by name."""

    rows: pd.DataFrame
    metadata: Mapping[str, Any]

    @cached_property
    def space(self) -> Space:
        """The space whose plans were trained."""
        space = self.metadata["space"]
        return Space(BASE, space["operators"], tied=space["tied"])

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, in the order of the rows."""
        return tuple(dict.fromkeys(self.rows["dataset"]))

    def curves(self, dataset: str) -> "Curves":
        """The curves on one data set, of the plans that have every seed there.

        Raises:
            TableError: no such data set.
        """
        rows = self.rows[self.rows["dataset"] == dataset]
        if rows.empty:
            raise TableError(f"the table has no data set {dataset!r}; it has: {', '.join(self.datasets)}")
        wide = rows.pivot(index="plan", columns=["seed", "step"], values=["val_dice", "seconds"]).dropna()
        seeds, steps = sorted(set(rows["seed"])), sorted(set(rows["step"]))
        shape = (len(wide), len(seeds), len(steps))
        order = [(seed, step) for seed in seeds for step in steps]
        dice, seconds = (
            wide[name][order].to_numpy(dtype=np.float64).reshape(shape) for name in ("val_dice", "seconds")
        )
        return Curves(plans=tuple(wide.index), seeds=tuple(seeds), steps=tuple(steps), dice=dice, seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Val Dice and cumulative seconds ``(plans, seeds, steps)`` of plans that were trained to the end."""

    plans: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    dice: NDArray[np.float64]
    seconds: NDArray[np.float64]

    @cached_property
    def final(self) -> NDArray[np.float64]:
        """Mean val Dice over the seeds after the last step, ``(plans,)``."""
        return np.asarray(self.dice[:, :, -1].mean(axis=1), dtype=np.float64)


def write_table(table: PlanTable, path: Path) -> None:
    """Write a table as parquet, or as JSON where the file is called so.

    Raises:
        TableError: it is there already with other content, or is called otherwise.
    """
    check(table, path)
    if path.exists():
        present = read_table(path)
        if canonical_json(dict(present.metadata)) != canonical_json(dict(table.metadata)) or not present.rows.equals(
            table.rows.reset_index(drop=True)
        ):
            raise TableError(f"{path} is there with other numbers and is never overwritten")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    if path.suffix == ".json":
        rows = table.rows.to_dict(orient="records")
        part.write_text(json.dumps({"metadata": dict(table.metadata), "rows": rows}), encoding="utf-8")
    else:
        import pyarrow
        from pyarrow import parquet

        written = pyarrow.Table.from_pandas(table.rows, preserve_index=False)
        about = {METADATA: canonical_json(dict(table.metadata)).encode()}
        parquet.write_table(written.replace_schema_metadata(about), part, compression="zstd")
    part.replace(path)


def read_table(path: Path) -> PlanTable:
    """The table of a parquet or JSON file, checked to the last row.

    Raises:
        TableError: it cannot be read, is of another version, or a row is wrong; the message names file and row.
    """
    try:
        rows, metadata = _read_json(path) if path.suffix == ".json" else _read_parquet(path)
    except FileNotFoundError as error:
        raise TableError(f"{path} is not there") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TableError(f"{path} cannot be read as a table of plans: {error}") from error
    table = PlanTable(rows=rows, metadata=metadata)
    check(table, path)
    return table


def _read_parquet(path: Path) -> tuple[pd.DataFrame, Json]:
    from pyarrow import parquet

    read = parquet.read_table(path)
    return read.to_pandas(), json.loads((read.schema.metadata or {})[METADATA])


def _read_json(path: Path) -> tuple[pd.DataFrame, Json]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame(content["rows"]), dict(content["metadata"])


def check(table: PlanTable, path: Path) -> None:
    """Refuse what is no table of a whole space's plans.

    Raises:
        TableError: a version, column, plan, number or step that does not fit; the message names the row, from 1.
    """
    metadata, rows = table.metadata, table.rows
    if metadata.get("format") != FORMAT:
        raise TableError(f"{path} is of version {metadata.get('format')!r}, this reads version {FORMAT}")
    if absent := [name for name in COLUMNS if name not in rows]:
        raise TableError(f"{path} lacks the columns {', '.join(absent)}")
    if rows.empty:
        raise TableError(f"{path} has no rows")
    try:
        plans, steps = set(table.space.plans()), {int(step) for step in metadata["steps"]}
    except (KeyError, TypeError, ValueError) as error:
        raise TableError(f"{path} does not say of which space and steps it is: {error}") from error
    for column in NUMBERS:
        _require(path, rows, np.isfinite(pd.to_numeric(rows[column], errors="coerce")), column, "be a finite number")
    for column in COUNTS:
        _require(path, rows, pd.to_numeric(rows[column], errors="coerce") % 1 == 0, column, "be a whole number")
    named = f"be one of the {len(plans)} of the space {metadata['space'].get('name')}"
    _require(path, rows, rows["plan"].isin(plans), "plan", named)
    _require(path, rows, rows["step"].isin(steps), "step", f"be one of {', '.join(map(str, sorted(steps)))}")
    trial = ["plan", "dataset", "seed"]
    _require(path, rows, ~rows.duplicated([*trial, "step"]), "step", "come once a trial")
    counts = rows.groupby(trial)["step"].transform("size")
    _require(path, rows, counts == len(steps), "plan", f"have a row at each of {len(steps)} steps with this seed")


def _require(path: Path, rows: pd.DataFrame, holds: Any, column: str, rule: str) -> None:
    wrong = np.flatnonzero(~np.asarray(holds, dtype=bool))
    if len(wrong):
        value = rows[column].tolist()[int(wrong[0])]
        more = f" (and {len(wrong) - 1} more rows)" if len(wrong) > 1 else ""
        raise TableError(f"{path}, row {wrong[0] + 1}: {column!r} must {rule}, got {value!r}{more}")
