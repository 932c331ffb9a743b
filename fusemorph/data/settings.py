"""A dataset's settings: read from a command line or from JSON, typed by a dataclass, and written as JSON again."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fusemorph.bounds import SMALLEST_SIDE
from fusemorph.configuration import written_settings

Settings = TypeVar("Settings")
ATLAS = "atlas"
"""The setting of every data set that names the fixed image of all pairs."""
SELECT_ON = "select_on"
"""What a configuration calls the data set whose val pairs select, where that is another one."""
PARAMETERS = ("name", "data", "cache", "self")


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and value of ``KEY=VALUE``: JSON, numbers with commas between them (a tuple), or else text.

    Raises:
        ValueError: no name, no value, or no ``=``.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(f"--set must be KEY=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        numbers = tuple(_number(part) for part in value.split(","))
    except ValueError:
        return name, value
    # A single number may be none in JSON: '.5' or '+1'.
    return name, numbers if len(numbers) > 1 else numbers[0]


def beside_parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that anybody has named, for ``open_dataset``: one that is called as a parameter of its own comes to the
    data set under a name that it does not know, so that it lists its settings."""
    return {f"--set {name}" if name in PARAMETERS else name: value for name, value in settings.items()}


def _number(text: str) -> int | float:
    if not text.isascii() or "_" in text:  # Python reads the digits of all scripts, and 1_000
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        return float(text)


def read_settings(kind: type[Settings], values: Mapping[str, Any], *, dataset: str) -> Settings:
    """Build the settings dataclass ``kind`` from names and values, as JSON or a caller writes them.

    A value takes the annotated type (4 becomes 4.0, a list a tuple), so that equal settings have equal records. The
    annotations are int, float, str or bool, a tuple of one of these, or one of all these and None.

    Raises:
        ValueError: a name that the dataset does not know, a value of another type or against the rules of ``kind``.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"open_dataset(): settings of {dataset!r} must be among {names}, got {unknown}")
    hints = get_type_hints(kind)
    typed = {}
    for name, value in values.items():
        try:
            typed[name] = _typed(value, hints[name])
        except TypeError as error:
            raise ValueError(f"{dataset}: {name!r} must be of type {_words(hints[name])}, got {value!r}") from error
        except OverflowError as error:
            raise ValueError(f"{dataset}: {name!r} must be finite, got {value!r}") from error
    return kind(**typed)


def read_protocol(
    kind: type[Settings], values: Mapping[str, Any], *, dataset: str, protocols: Mapping[str, Mapping[str, Any]]
) -> Settings:
    """``read_settings``, where ``protocol=NAME`` stands for the settings of that name; what else is said goes first.

    What is recorded is what the protocol stands for, so that equal data have equal keys.

    Raises:
        ValueError: an unknown protocol, or of ``read_settings``.
    """
    named = values.get("protocol")
    if named is not None and named not in list(protocols):
        raise ValueError(f"{dataset}: 'protocol' must be one of {', '.join(protocols)}, got {named!r}")
    given = {name: value for name, value in values.items() if name != "protocol"}
    return read_settings(kind, {**(protocols[named] if named else {}), **given}, dataset=dataset)


def _typed(value: Any, kind: Any) -> Any:
    """The value as an annotation has it; TypeError where it is another type, OverflowError where it is not finite."""
    if isinstance(kind, UnionType):
        return None if value is None else _typed(value, _beside_none(kind))
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not value:
            raise TypeError
        return tuple(_typed(item, get_args(kind)[0]) for item in value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TypeError
    if kind is float and not math.isfinite(value):
        raise OverflowError
    return value


def _words(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return _words(_beside_none(kind))
    return f"tuple of {_words(get_args(kind)[0])}" if get_origin(kind) is tuple else str(kind.__name__)


def _beside_none(kind: Any) -> Any:
    return next(part for part in get_args(kind) if part is not NoneType)


def canonical(settings: Any) -> dict[str, Any]:
    """The settings of a dataclass with their values, as JSON reads them back; ``LATER`` ones if they differ."""
    return written_settings(settings)


def check_seed(dataset: str, seed: int) -> None:
    """Refuse a seed that not every random generator takes.

    Raises:
        ValueError: it does not lie within 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"{dataset}: 'seed' must be 0 or more and less than 2**32, got {seed}")


def check_percentiles(dataset: str, percentiles: Sequence[float]) -> None:
    """Refuse percentiles between which no intensities are left.

    Raises:
        ValueError: they are not two within 0 and 100, the second the larger.
    """
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ValueError(f"{dataset}: 'percentiles' must increase and lie between 0 and 100, got {percentiles}")


def check_fractions(dataset: str, fractions: Sequence[float]) -> None:
    """Refuse parts of subjects for train, val and test that are not three parts of 1.

    Raises:
        ValueError: another number of parts, a negative one, or another sum.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"{dataset}: 'fractions' must be three numbers that sum to 1, got {fractions}")


def check_shape(dataset: str, shape: Sequence[int], *, dimensions: int) -> None:
    """Refuse a grid that the networks cannot halve often enough.

    Raises:
        ValueError: another number of sides, or one below ``SMALLEST_SIDE``.
    """
    if len(shape) != dimensions or min(shape) < SMALLEST_SIDE:
        raise ValueError(
            f"{dataset}: 'shape' must be {dimensions} sides of {SMALLEST_SIDE} or more, got {tuple(shape)}"
        )
