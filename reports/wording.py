"""Numbers as words: what cannot be given says so."""

from collections.abc import Sequence
from math import isnan

NOT_MEASURED = "not measured"
NOT_APPLICABLE = "not applicable"
MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """``0.706``, or ``not measured``."""
    if isnan(value):
        return NOT_MEASURED
    rounded = round(value, digits) + 0.0
    text = f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"
    return text.replace("-", MINUS)


def between(low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """``0.685 to 0.727``, or ``not known``."""
    if isnan(low) or isnan(high):
        return "not known"
    return f"{number(low, digits, signed=signed)} to {number(high, digits, signed=signed)}"


def share(value: float) -> str:
    """A small fraction: ``0``, ``2.1e-4`` or ``0.031``."""
    if isnan(value):
        return NOT_MEASURED
    if value == 0:
        return "0"
    if value >= 0.01:
        return f"{value:.3f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}"


def significant(value: float, digits: int = 3) -> str:
    """``0.123`` or ``1,230``: as many significant digits as asked for, whole numbers in full."""
    if isnan(value):
        return NOT_MEASURED
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - whole)}f}" if value else "0"


def count(value: float) -> str:
    return NOT_MEASURED if isnan(value) else f"{round(value):,}"


def probability(value: float) -> str:
    if isnan(value):
        return "none"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_equals(value: float) -> str:
    """``p = 0.012``, ``p < 0.001``."""
    text = probability(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def listing(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def quoted(arm: object) -> str:
    """An arm within a sentence, in quotation marks where its label has a comma."""
    return f"“{arm}”" if "," in str(arm) else str(arm)


def plural(amount: int, noun: str) -> str:
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
