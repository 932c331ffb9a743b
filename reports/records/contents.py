"""What a file may hold that anybody may have written: printable text, finite numbers, shallow nesting."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from fusemorph.storage import RecordError, read_json
from fusemorph.text import printable

MOST_NESTED = 40
LARGEST_WHOLE = 2**63 - 1
_NAME = re.compile(r"\w[\w.-]{0,199}")


def read_object(path: Path, *, format: int | None = None) -> dict[str, Any]:
    """The JSON object in a file, of that ``format``, its texts on one line each and without what cannot be printed.

    Raises:
        RecordError: unreadable, no JSON, no object or another format; nested more than ``MOST_NESTED`` levels; a number
            that is not finite, or a whole one that 64 bits do not hold.
    """
    content = {one_line(name): _checked(path, value, MOST_NESTED - 1) for name, value in read_json(path).items()}
    if format is not None and content.get("format") != format:
        raise RecordError(f"{path}: has format {shortly(content.get('format'))}; this report reads format {format}")
    return content


def _checked(path: Path, value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"{path}: holds a number that is not finite ({value})")
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise RecordError(f"{path}: holds a whole number of more than 64 bits")
    if not isinstance(value, dict | list):
        return value
    if not levels:
        raise RecordError(f"{path}: is nested more than {MOST_NESTED} levels deep")
    if isinstance(value, list):
        return [_checked(path, item, levels - 1) for item in value]
    return {one_line(name): _checked(path, item, levels - 1) for name, item in value.items()}


def one_line(text: str) -> str:
    """Text on one line; what cannot be printed becomes the replacement character."""
    return text if text.isascii() and text.isprintable() else printable(re.sub(r"[\t-\r\x85\u2028\u2029]+", " ", text))


def printable_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text on one line and without control characters."""
    texts = [name for name in table if pd.api.types.is_string_dtype(table[name])]
    return table.assign(**{str(name): table[name].map(one_line) for name in texts})


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_amount(value: object) -> bool:
    """Whether a JSON value is a finite number that is not negative."""
    return is_number(value) and value >= 0  # type: ignore[operator]


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_name(value: object) -> bool:
    """Whether a text names one folder below another: no way out of it."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def require(
    path: Path, content: dict[str, Any], types: dict[str, Any], *, where: str = "", optional: bool = False
) -> None:
    """Refuse values of other types than these; ``optional`` ones may be missing or null.

    Raises:
        RecordError: a value is missing or of another type; the message names the file and the value.
    """
    for name, kind in types.items():
        value = content.get(name)
        if optional and value is None:
            continue
        if name not in content:
            raise RecordError(f"{path}: {where}lacks '{name}'")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise RecordError(f"{path}: {where}'{name}' must be {_KINDS[kind]}, is {shortly(value)}")


_KINDS: dict[Any, str] = {
    str: "a string", dict: "an object", list: "a list", int: "a whole number", (int, str): "a whole number or a string",
}  # fmt: skip


def shortly(value: object) -> str:
    """A value as it is written, as far as it is short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
