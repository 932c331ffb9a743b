"""How files are written, whole or not at all, and how they are read, whoever has written them. No torch."""

import csv
import errno
import io
import json
import math
import os
import re
import reprlib
import shutil
import stat
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusemorph.configuration import Json

UNFINISHED = re.compile(r"^\..+\.[0-9a-f]{8}$")
"""Names under which a file or folder is written, before it is renamed."""
LARGEST_BYTES = 64 * 2**20
"""More than any text that a trial leaves."""
MOST_DIGITS = 100


class StorageError(OSError):
    """The storage refused a write; the message names the file. Nothing finished is touched."""

    def __str__(self) -> str:
        return str(self.args[-1])  # the number of the error, which OSError puts first, says nothing to most people


class RecordError(ValueError):
    """A run folder that cannot be read or must not be written; the message names the file."""


class DamagedFile(RecordError):
    """A file that is empty, cut short, or in another way no longer what was written; the message names it."""


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path``, to write a file or folder under and to rename it from.

    What is still there at the end is removed; where Ctrl-C interrupts that too, it is tried again when Python ends.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    watched = _Watched()
    removal = weakref.finalize(watched, _remove, temporary)
    try:
        yield temporary
    finally:
        _remove(temporary)
        removal.detach()


class _Watched:
    """Lives for as long as a file is unfinished."""


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # a folder
        shutil.rmtree(path, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes were writing in a folder; for the one process that may write there."""
    for path in folder.glob(".*"):
        if UNFINISHED.search(path.name):
            _remove(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        StorageError: no space, no permission, or the storage is gone.
    """
    with unfinished(path) as temporary:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StorageError:
    """The error of a write that the storage refused, in words."""
    reason = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror
    return StorageError(error.errno, f"cannot write {path}: {reason}")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON for people and machines: sorted, indented, no NaN."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_bytes(path: Path) -> bytes:
    """The content of a file, which is no pipe or device, and not too large for what a trial leaves beside its weights.

    Raises:
        RecordError: it cannot be read; the message names the file.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise RecordError(f"{path} must be a regular file")
        if state.st_size > LARGEST_BYTES:
            raise RecordError(f"{path} must have at most {LARGEST_BYTES >> 20} MiB, got {state.st_size >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error


def read_json(path: Path) -> Json:
    """Read a JSON object.

    Raises:
        RecordError: missing, or not to be read.
        DamagedFile: empty or no JSON object; the message names the file.
    """
    content = read_bytes(path)
    if not content.strip(b"\0 \n"):
        raise DamagedFile(f"{path} is empty")
    try:
        value = json.loads(content.decode(), parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except RecursionError as error:
        raise DamagedFile(f"{path} cannot be read: it is nested too deeply") from error
    except ValueError as error:
        raise DamagedFile(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{path} must hold a JSON object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"it holds the number {reprlib.repr(digits)}, which is too large")
    return number


def _constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which is not JSON")


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV, columns in order of first appearance; NaN and missing cells stay empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode()


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with their cells as they stand, so that ``table`` writes the same bytes; none without the file.

    Raises:
        RecordError: it cannot be read, or is damaged.
    """
    return parse_table(path, read_bytes(path)) if path.exists() else []


def parse_table(path: Path, content: bytes) -> list[dict[str, str]]:
    """Rows of a table of ours, all of one length; a writer that was cut short left no end of line."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode()), strict=True))
    except (ValueError, csv.Error) as error:
        raise DamagedFile(f"{path} cannot be read: {error}") from error
    if not rows or not content.endswith(b"\n"):
        raise DamagedFile(f"{path} is {'cut short' if rows else 'empty'}")
    uneven = [number for number, row in enumerate(rows, start=2) if None in row or None in row.values()]
    if uneven:
        raise DamagedFile(f"{path} cannot be read: line {uneven[0]} has other columns than the first")
    return rows


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return repr(float(value)) if isinstance(value, float) else value
