"""The types of options: each reads what a command line or a caller gives, and says what it must be."""

import argparse
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from fusemorph.configuration import find_budget
from fusemorph.data import parse_setting
from fusemorph.paths import path_argument

LONGEST_NAME = 100
LONGEST_TEXT = 300
LONGEST_NUMBER = 30


class OptionType(Protocol):
    """Reads a value that is given as text, or as what it shall be.

    Raises:
        ValueError: it is none; the message says what it must be, without the option's name.
    """

    def read(self, given: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number, both bounds included; as text, in the digits 0 to 9 alone."""

    least: int
    most: int

    def read(self, given: Any) -> int:
        """The number."""
        text = str(given)
        if isinstance(given, bool) or not re.fullmatch(rf"[+-]?[0-9]{{1,{LONGEST_NUMBER}}}", text):
            raise ValueError(f"must be a whole number, got {shorten(text)}")
        if not self.least <= int(text) <= self.most:
            raise ValueError(f"must be from {self.least:,} to {self.most:,}, got {text}")
        return int(text)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A finite number, both bounds included. ``whole_beyond_1``: no fraction above 1, as for CPUs of a trial."""

    least: float
    most: float
    whole_beyond_1: bool = False

    def read(self, given: Any) -> float:
        """The number."""
        text = str(given)
        if isinstance(given, bool) or not re.fullmatch(
            r"[+-]?[0-9.]+([eE][+-]?[0-9]{1,3})?", text[: LONGEST_NUMBER + 1]
        ):
            raise ValueError(f"must be a number, got {shorten(text)}")
        try:
            number = float(text)
        except ValueError as error:
            raise ValueError(f"must be a number, got {shorten(text)}") from error
        if not (math.isfinite(number) and self.least <= number <= self.most):
            raise ValueError(f"must be from {self.least:g} to {self.most:g}, got {text}")
        if self.whole_beyond_1 and number > 1 and number != int(number):
            raise ValueError(f"must be a whole number if above 1, got {text}")
        return number


@dataclass(frozen=True, kw_only=True)
class Word:
    """One of a few words."""

    among: tuple[str, ...]

    def read(self, given: Any) -> str:
        """The word."""
        if given not in self.among:
            raise ValueError(
                f"must be one of {', '.join(self.among)}, got {shorten(str(given))}{suggestion(given, self.among)}"
            )
        return str(given)


@dataclass(frozen=True)
class Text:
    """One line of text."""

    def read(self, given: Any) -> str:
        """The text."""
        if not isinstance(given, str) or not 0 < len(given) <= LONGEST_TEXT or not given.isprintable():
            raise ValueError(f"must be a line of 1 to {LONGEST_TEXT} characters, got {shorten(str(given))}")
        return given


@dataclass(frozen=True)
class StudyName:
    """What a study is called in RUNS: a name that every file system takes."""

    def read(self, given: Any) -> str:
        """The name."""
        text = str(given)
        fits = len(text.encode(errors="replace")) <= LONGEST_NAME and unicodedata.is_normalized("NFC", text)
        if not fits or not re.fullmatch(r"\w[\w.+=-]*", text):
            raise ValueError(
                f"must be at most {LONGEST_NAME} letters, digits and _ . + = -, the first of them a letter or a digit, "
                f"got {shorten(text)}"
            )
        return text


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    def read(self, given: Any) -> bool:
        """Whether it is on."""
        if not isinstance(given, bool):
            raise ValueError(f"must be true or false, got {shorten(str(given))}")
        return given


@dataclass(frozen=True)
class Folder:
    """A folder, absolute and with ``~`` expanded."""

    def read(self, given: Any) -> Path:
        """The path."""
        try:
            return path_argument(str(given)).absolute()
        except argparse.ArgumentTypeError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class NamedFolder:
    """A data set and its folder, ``NAME=DIR``."""

    def read(self, given: Any) -> tuple[str, Path]:
        """Name and folder."""
        name, sign, folder = given.partition("=") if isinstance(given, str) else (given[0], "=", given[1])
        if not name or not sign or not folder:
            raise ValueError(f"must be NAME=DIR, got {shorten(str(given))}")
        return str(name), Folder().read(folder)


@dataclass(frozen=True)
class Setting:
    """A setting of a data set, ``KEY=VALUE``."""

    def read(self, given: Any) -> tuple[str, Any]:
        """Name and value."""
        if not isinstance(given, str):
            return str(given[0]), given[1]
        if not all(given.partition("=")):
            raise ValueError(f"must be KEY=VALUE, got {shorten(given)}")
        return parse_setting(given)


@dataclass(frozen=True)
class BudgetName:
    """The name of a budget, with steps of its own or without."""

    def read(self, given: Any) -> str:
        """The name."""
        find_budget(str(given))
        return str(given)


@dataclass(frozen=True)
class Device:
    """A device of torch's that is there: ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""

    def read(self, given: Any) -> str:
        """The device."""
        import torch

        text = str(given)
        if not re.fullmatch(r"cpu|mps|cuda(:[0-9]{1,3})?", text):
            raise ValueError(f"must be cpu, cuda, cuda:N or mps, got {shorten(text)}")
        try:
            torch.empty(1, device=text)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"{text} cannot be used: {str(error).splitlines()[0].partition('. ')[0]}") from error
        return text


def shorten(text: str) -> str:
    """What was given, as a message shows it."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def suggestion(given: object, choices: Iterable[str]) -> str:
    """A suggestion for a word that is nearly one of the known ones; empty where none is near."""
    near = get_close_matches(str(given), list(choices), n=1)
    return f"; did you mean {near[0]}?" if near else ""
