"""Read one file of the records at a time, as what the contract says it holds or as a plain statement of why not."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fusemorph.storage import RecordError

EVALUATED = "evaluated"
"""The state of a trial that has figures on the reported split."""
LONGEST_STEM = 80
SUBJECT_COLUMNS = ("fixed_person", "moving_person")

METRICS = (
    "dice",
    "hd95_mm",
    "assd_mm",
    "hd95_vox",
    "hd95_l2r_vox",
    "folding_fraction",
    "ndv_fraction",
    "sd_log_jacobian",
    "sdlogj_l2r",
    "endpoint_error_mm",
    "tre_mm",
    "tre_before_mm",
    "segmentation_dice",
)
MOST_PICTURE_BYTES = 2**28
"""Of one archive of slices, unpacked; those of the largest grids take a few MiB."""

_FRACTIONS = ("dice", "folding_fraction", "segmentation_dice")
_VALIDATED = ("val_dice", "val_folding_fraction", "val_sd_log_jacobian")
_OF_GATES = ("correlation_weight", "spread", "decided")
_HISTORY = ("loss", "similarity", "kl", "folding_penalty", "learning_rate", *_VALIDATED)
MOST_CHARACTERS = 200_000_000
"""Of a table; a small compressed file can hold far more."""
LARGEST = 1e12
"""Of what is measured; beyond it sums of squares and the axes of figures fail."""
T = TypeVar("T")


@dataclass
class Problems:
    """Plain statements gathered on the way; reading goes on without the file that they name."""

    messages: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[[Path], T], path: Path) -> T | None:
        try:
            return read(path)
        except RecordError as error:
            self.messages.append(str(error))
            return None


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
        optional_text=(*SUBJECT_COLUMNS, "failure"),
    )
    twice = pairs["pair"][pairs["pair"].duplicated()]
    if len(twice):
        raise RecordError(f"{path}: pair {twice.iloc[0]} is listed more than once")
    if pairs.empty:
        raise RecordError(f"{path}: has no rows")
    for name in _FRACTIONS:
        outside = pairs[name][(pairs[name] < 0) | (pairs[name] > 1)]
        if len(outside):
            raise RecordError(f"{path}: column '{name}' must be within 0 and 1, holds {outside.iloc[0]:g}")
    return pairs


def read_labels(path: Path) -> pd.DataFrame:
    """Metrics of every pair and structure."""
    others = ("hd95_mm", "assd_mm", "hd95_vox", "hd95_l2r_vox", "segmentation_dice")
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
        RecordError: not an archive of plain arrays, or one that unpacks to more than ``MOST_PICTURE_BYTES``.
    """
    try:
        # Opened here, since NumPy leaves a file open that turns out to be no archive.
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as members:
                unpacked = sum(member.file_size for member in members.infolist())
            if unpacked > MOST_PICTURE_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {MOST_PICTURE_BYTES:,}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy raises whatever zipfile, zlib or its own header parser meets
        raise RecordError(f"{path}: cannot be read as pictures ({error})") from error


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
            text = str(file.read(MOST_CHARACTERS + 1))
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read as a table ({error})") from error
    if len(text) > MOST_CHARACTERS:
        raise RecordError(f"{path}: has more than {MOST_CHARACTERS:,} characters")
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
    large = np.abs(values) > LARGEST
    if finite and large.any():
        raise RecordError(f"{path}: column '{name}' holds a value above {LARGEST:g} in row {int(np.argmax(large)) + 1}")
    values[large] = np.nan
    return values


def csv_path(stem: Path) -> Path | None:
    """``stem.csv``, plain or compressed."""
    return next((path for path in (stem.with_suffix(".csv"), stem.with_suffix(".csv.gz")) if path.is_file()), None)


def as_object(value: Any) -> dict[str, Any]:
    """A JSON value as the object that it should be, empty where it is none."""
    return value if isinstance(value, dict) else {}


def file_stem(name: str) -> str:
    """A name as the beginning of a file's name: short enough for every disk, and never empty."""
    stem = re.sub(r"[^\w.-]+", "-", name)
    if stem.strip(".-") and len(stem) <= LONGEST_STEM:
        return stem
    return f"{stem[: LONGEST_STEM - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
