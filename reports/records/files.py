"""Read one file of the records at a time, as what the contract says it holds or as a plain statement of why not."""

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fusemorph.records import FORMAT
from fusemorph.storage import RecordError, read_json

EVALUATED = "evaluated"
"""The state of a trial that has figures on the reported split."""
PERSONS = ("fixed_person", "moving_person")

METRICS = (
    "dice",
    "hd95_mm",
    "assd_mm",
    "hd95_vox",
    "folding_fraction",
    "ndv_fraction",
    "sd_log_jacobian",
    "sdlogj_l2r",
    "endpoint_error_mm",
)
_FRACTIONS = ("dice", "folding_fraction")
_VALIDATED = ("val_dice", "val_folding_fraction", "val_sd_log_jacobian")
_OF_GATES = ("correlation_weight", "spread", "decided")
_HISTORY = ("loss", "similarity", "kl", "folding_penalty", "learning_rate", *_VALIDATED)
T = TypeVar("T")

STATUSES = ("running", "pruned", "finished", "failed")


@dataclass
class Problems:
    """Plain statements gathered on the way; reading goes on without the file that they name."""

    said: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[[Path], T], path: Path) -> T | None:
        try:
            return read(path)
        except RecordError as error:
            self.said.append(str(error))
            return None


def read_study(path: Path) -> dict[str, Any]:
    """A study: its arms with their keys, and what is said about it.

    Raises:
        RecordError: another format, or no usable list of arms.
    """
    study = _of_this_format(path)
    _require(path, study, {"name": str, "reported_split": str, "arms": list})
    for position, arm in enumerate(study["arms"]):
        where = f"arm {position + 1}: "
        if not isinstance(arm, dict):
            raise RecordError(f"{path}: {where}must be an object, is {type(arm).__name__}")
        _require(path, arm, {"label": str, "keys": dict}, where=where)
        if not all(isinstance(key, str) and str(seed).isdigit() for seed, key in arm["keys"].items()):
            raise RecordError(f"{path}: {where}'keys' must map seeds to keys of trials, is {arm['keys']!r}")
    if "search" in study:
        _require_search(path, study["search"])
    elif not study["arms"]:
        raise RecordError(f"{path}: lists no arms")
    return study


def _require_search(path: Path, search: Any) -> None:
    """Refuse a search's section that does not say what was searched; it may have no candidates yet."""
    if not isinstance(search, dict):
        raise RecordError(f"{path}: 'search' must be an object, is {search!r}")
    types = {"space": dict, "searcher": str, "trials": int, "objectives": list, "floors": dict, "datasets": list}
    _require(path, search, types, where="'search': ")
    wrong = next((floor for floor in search["floors"].values() if not _is_number(floor)), None)
    if wrong is not None:
        raise RecordError(f"{path}: 'search': 'floors' must hold numbers, holds {wrong!r}")


def read_record(path: Path) -> dict[str, Any]:
    """A trial's ``record.json``.

    Raises:
        RecordError: another format, no known status, or sizes that are no numbers.
    """
    record = _of_this_format(path)
    _require(path, record, {"status": str, "configuration": dict})
    if record["status"] not in STATUSES:
        raise RecordError(f"{path}: 'status' must be one of {', '.join(STATUSES)}, is {record['status']!r}")
    for name in ("parameters", "flops"):
        if record.get(name) is not None and not _is_number(record[name]):
            raise RecordError(f"{path}: '{name}' must be a number, is {record[name]!r}")
    if record.get("key", path.parent.name) != path.parent.name:
        raise RecordError(f"{path}: is the record of trial {record['key']}, not of its folder's name")
    return record


def read_pairs(path: Path) -> pd.DataFrame:
    """Metrics of every pair of a split; those that the file has no column for are NaN, or an empty ``failure``.

    Raises:
        RecordError: a missing column, text or infinity for a number, a Dice outside 0 to 1, a pair twice.
    """
    pairs = _read_csv(
        path,
        text=("pair", "block"),
        numbers=("dice",),
        others=(*METRICS, "dice_gates_held"),
        optional_text=(*PERSONS, "failure"),
    )
    twice = pairs["pair"][pairs["pair"].duplicated()]
    if len(twice):
        raise RecordError(f"{path}: pair {twice.iloc[0]} stands there more than once")
    if pairs.empty:
        raise RecordError(f"{path}: has no rows")
    for name in _FRACTIONS:
        outside = pairs[name][(pairs[name] < 0) | (pairs[name] > 1)]
        if len(outside):
            raise RecordError(f"{path}: column '{name}' must be within 0 and 1, holds {outside.iloc[0]:g}")
    return pairs


def read_labels(path: Path) -> pd.DataFrame:
    """Metrics of every pair and structure."""
    others = ("hd95_mm", "assd_mm", "hd95_vox")
    return _read_csv(path, text=("pair", "label"), numbers=("dice",), others=others, optional_text=("name",))


def read_history(path: Path) -> pd.DataFrame:
    """Losses and validation by step; a loss that is not finite is NaN."""
    return _read_csv(path, text=(), numbers=("step",), others=_HISTORY, finite=False)


def read_curve(path: Path) -> dict[str, list[float]]:
    """The numbers of ``read_history`` by column, NaN where there are none: a table takes ten times as long to make."""
    columns = _read_columns(path, text=(), numbers=("step",), others=_HISTORY, finite=False)
    return {name: column.tolist() for name, column in columns.items()}


def read_gates(path: Path) -> pd.DataFrame:
    """Mean gate weights by step and stage."""
    return _read_csv(
        path, text=(), numbers=("step", "stage", "joint_weight", "single_weight"), others=_OF_GATES, finite=False
    )


def read_pair_gates(path: Path) -> pd.DataFrame:
    """Mean gate weights by evaluated pair and stage."""
    return _read_csv(path, text=("pair",), numbers=("stage", "joint_weight", "single_weight"), others=_OF_GATES)


def read_pictures(path: Path) -> dict[str, np.ndarray]:
    """The stored slices, by name.

    Raises:
        RecordError: not an archive of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy raises whatever zipfile, zlib or its own header parser meets
        raise RecordError(f"{path}: cannot be read as pictures ({error})") from error


def _of_this_format(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise RecordError(f"{path}: has format {content.get('format')!r}; this report reads format {FORMAT}")
    return content


def _require(path: Path, content: dict[str, Any], types: dict[str, type], *, where: str = "") -> None:
    for name, kind in types.items():
        if name not in content:
            raise RecordError(f"{path}: {where}lacks '{name}'")
        if not isinstance(content[name], kind):
            raise RecordError(f"{path}: {where}'{name}' must be a {kind.__name__}, is {content[name]!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _read_csv(path: Path, **columns: Any) -> pd.DataFrame:
    """The columns of ``_read_columns`` as a table."""
    return pd.DataFrame(_read_columns(path, **columns))


def _read_columns(
    path: Path,
    *,
    text: Sequence[str],
    numbers: Sequence[str],
    others: Sequence[str],
    optional_text: Sequence[str] = (),
    finite: bool = True,
) -> dict[str, Any]:
    """``text`` and ``numbers`` must be there, ``others`` become NaN where the file has no such column."""
    cells = _read_cells(path)
    missing = [name for name in (*text, *numbers) if name not in cells]
    if missing:
        raise RecordError(f"{path}: lacks the columns {', '.join(missing)}")
    count = len(next(iter(cells.values()), []))
    columns: dict[str, Any] = {name: pd.Series(cells[name], dtype=str) for name in text}
    columns |= {name: pd.Series(cells.get(name, [""] * count), dtype=str) for name in optional_text}
    for name in dict.fromkeys((*numbers, *others)):
        columns[name] = _numbers(path, name, cells[name], finite=finite) if name in cells else np.full(count, np.nan)
    return columns


def _read_cells(path: Path) -> dict[str, list[str]]:
    """Every column's cells as text, so that ids stay what they are and what is no number can be named."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read as a table ({error})") from error
    if not rows:
        raise RecordError(f"{path}: is empty")
    header = rows[0]
    wrong = next((number for number, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        raise RecordError(f"{path}: row {wrong} has {len(rows[wrong])} cells, the header {len(header)}")
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise RecordError(f"{path}: has the columns {', '.join(twice)} more than once")
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(header)}


def _numbers(path: Path, name: str, column: Sequence[str], *, finite: bool) -> np.ndarray:
    """The cells as numbers: NaN where they are empty, and where they are infinite if that may be."""
    # Cell by cell: a table has few rows, and pandas would take most of the time of a report over thousands of trials.
    values = np.full(len(column), np.nan)
    for row, cell in enumerate(column):
        if (text := cell.strip().lower()) in ("", "nan"):
            continue
        try:
            values[row] = float(text.replace("_", "?"))
        except ValueError:
            raise RecordError(f"{path}: column '{name}' holds {cell!r} in row {row + 1}, no number") from None
    infinite = np.isinf(values)
    if finite and infinite.any():
        raise RecordError(f"{path}: column '{name}' holds an infinite value in row {int(np.argmax(infinite)) + 1}")
    values[infinite] = np.nan
    return values


def as_object(value: Any) -> dict[str, Any]:
    """A JSON value as the object that it should be, empty where it is none."""
    return value if isinstance(value, dict) else {}


def file_stem(name: str) -> str:
    """A name as the beginning of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name)
