"""Tables as text for a terminal."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """Rows as lines of aligned columns; with ``right``, all columns but the first are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [cell.rjust(width) if right and place else cell.ljust(width) for place, (cell, width) in enumerate(cells)]
        for cells in (zip(row, widths, strict=True) for row in rows)
    )
    return ["  ".join(line).rstrip() for line in lines]


def underlined(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A header, a rule below it, and the rows, as lines of aligned columns."""
    lines = aligned([header, *rows])
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def show_all_characters() -> None:
    """Let a terminal that lacks a character show a question mark for it, rather than end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
