"""Tables of scans and pairs as people save them: separators and encodings are recognised, or named with the remedy."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fusemorph.bounds import file_problem, memory_problem
from fusemorph.data.errors import DataError

Row = dict[str, str]

SEPARATORS = (",", ";", "\t", "|")
BYTES_IN_MEMORY = 20
"""For each byte of a table, what its rows take."""
MOST_LINES = 20
"""Of one error."""
_REMEDY = "save the table as 'CSV UTF-8'"
_INDEX_REMEDY = "give it a name, or leave the index out (pandas: index=False)"
# UTF-32 before UTF-16, whose mark its own begins with.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MONTH = "[0-9]{1,2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_CHANGED = re.compile(
    rf"[0-9]{{1,4}}[-/. ]({_MONTH})[-/. ]?([0-9]{{1,4}})?.*|({_MONTH})-[0-9]+|[0-9.]+e[+-]?[0-9]+", re.I
)
"""What spreadsheets make of ids: dates, and numbers with an exponent."""
_INDEX = re.compile(r"Unnamed: [0-9]+")
"""What pandas calls the column of an index that it wrote before."""


def read_table(path: Path, *, required: Sequence[str], allowed: Sequence[str] | None) -> list[Row]:
    """The rows of a CSV file, cells stripped, without the rows and columns that are empty.

    ``allowed``: the columns that there may be; None for a table of another program, of which columns without a name,
    such as the index that pandas writes, are left out.

    Raises:
        DataError: unreadable, not text in UTF-8, UTF-16 or UTF-32, without rows, columns missing, unknown or twice, a
            required cell empty, a cell beyond the columns.
    """
    lines = io.StringIO(_text(path), newline="")
    if not lines.readline().lower().startswith("sep="):  # the line by which Excel names the separator
        lines.seek(0)
    start = lines.tell()
    separator = next((each for each in SEPARATORS if set(required) <= set(_head(lines, start, each))), ",")
    lines.seek(start)
    rows = _rows(lines, separator, path)
    columns = _columns(_cells(next(rows, [])), path, required=required, allowed=allowed)
    return _filled((_cells(row) for row in rows), columns, path, required=required, unnamed=allowed is None)


def check_ids(path: Path, rows: Iterable[Row], column: str, *, form: str, like: str) -> None:
    """Refuse a table whose ids are not written as those of the data set, and say so where they look like dates.

    Raises:
        DataError: with a line for each id that does not match ``form``, and one that does (``like``).
    """
    wrong = []
    for number, row in enumerate(rows, start=2):
        if not re.fullmatch(form, row[column]):
            hint = "; a spreadsheet has made a date or a number of it" if _CHANGED.fullmatch(row[column]) else ""
            wrong.append(f"{path}, row {number}: {column!r} must be an id such as {like}, got {row[column]!r}{hint}")
    raise_all(wrong)


def raise_all(wrong: Iterable[str]) -> None:
    """One error with a line for each finding, of the first ``MOST_LINES``.

    Raises:
        DataError: if there is one.
    """
    lines = list(wrong)
    if more := len(lines) - MOST_LINES:
        lines = [*lines[:MOST_LINES], *([f"and {more} more of the kind"] if more > 0 else [])]
    if lines:
        raise DataError("\n".join(lines))


def _text(path: Path) -> str:
    try:
        if problem := file_problem(path) or memory_problem(BYTES_IN_MEMORY * path.stat().st_size):
            raise DataError(f"{path}: {problem}")
        content = path.read_bytes()
        text = content.decode(next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: is not UTF-8; {_REMEDY}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read as CSV ({error.strerror})") from error
    if "\0" in text:
        raise DataError(f"{path}: holds zero bytes, as UTF-16 does (here without its byte-order mark); {_REMEDY}")
    return text


def _head(lines: io.StringIO, start: int, separator: str) -> list[str]:
    lines.seek(start)
    try:
        return _cells(next(csv.reader(lines, delimiter=separator, strict=True), []))
    except csv.Error:
        return []


def _rows(lines: io.StringIO, separator: str, path: Path) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=separator, strict=True)
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from error


def _cells(row: list[str]) -> list[str]:
    return [cell.strip() for cell in row]


def _columns(columns: list[str], path: Path, *, required: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    """The names of the columns, empty for those without one."""
    named = [column for column in columns if column]
    if not set(required) <= set(named) or not set(named) <= set(named if allowed is None else allowed):
        others = "" if allowed is None else f", others among {list(allowed)}"
        index = next((f"; {column!r} is an index: {_INDEX_REMEDY}" for column in named if _INDEX.match(column)), "")
        raise DataError(f"{path}: must have rows, columns {list(required)}{others}, got {columns}{index}")
    if twice := [column for column, count in Counter(named).items() if count > 1]:
        raise DataError(f"{path}: has the column {twice[0]!r} twice")
    return columns


def _filled(
    rows: Iterable[list[str]], columns: list[str], path: Path, *, required: Sequence[str], unnamed: bool
) -> list[Row]:
    filled, wrong = [], []
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        cells = dict(zip(columns, row, strict=False))
        beyond = [cell for cell in row[len(columns) :] if cell]
        lost = [] if unnamed else [cell for column, cell in zip(columns, row, strict=False) if cell and not column]
        if beyond:
            wrong.append(f"{path}, row {number}: has {len(row)} cells, the table {len(columns)} columns")
        if lost:
            wrong.append(f"{path}, row {number}: {lost[0]!r} stands in a column without a name; {_INDEX_REMEDY}")
        wrong += [f"{path}, row {number}: {column!r} is empty" for column in required if not cells.get(column)]
        filled.append({column: cells.get(column, "") for column in columns if column})
    raise_all(wrong)
    if not filled:
        raise DataError(f"{path}: must have rows, columns {list(required)}, got none below {columns}")
    return filled
