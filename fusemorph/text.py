"""Text that others wrote, made fit to print."""

import re

# Controls of terminals, marks that turn the direction of writing, and halves of characters, which no file can hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Text without control characters other than the ends of its lines."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
