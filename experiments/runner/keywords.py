"""The options of the command line as keywords of a call: the same names, types and bounds, read by the same parser."""

import inspect
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

from experiments.runner.command_line import GROUPS
from experiments.runner.option_fields import OPTION, flag_of
from experiments.runner.option_types import shorten, suggestion

CALLED = ("entries", "runs", "dry_run")
"""What the command line takes beside the options of its groups."""
_MANY = {"data": "a mapping of names to folders", "set": "a mapping of names to values"}


def keyword_of(item: Field[Any]) -> str:
    """What an option is called in Python: ``gpus_per_trial`` for ``--gpus-per-trial``."""
    return flag_of(item).removeprefix("--").replace("-", "_")


OPTIONS: Mapping[str, Field[Any]] = {keyword_of(item): item for kind in GROUPS for item in fields(kind)}


def signature_of(function: Any) -> inspect.Signature:
    """The signature of a function whose ``**options`` are these, each by its name, as help and editors show it."""
    bare = inspect.signature(function)
    explicit = [parameter for parameter in bare.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    listed = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None if item.metadata[OPTION]["many"] else item.default
        )
        for name, item in OPTIONS.items()
    ]
    return bare.replace(parameters=[*explicit, *listed])


def described() -> str:
    """One line for each option, as ``--help`` describes it."""
    lines = [
        f"    {name}: {item.metadata[OPTION]['help'].replace('%%', '%')}"
        + (f" ({_MANY.get(name, 'one, or a list')})" if item.metadata[OPTION]["many"] else "")
        for name, item in OPTIONS.items()
    ]
    return "\n".join(lines)


def arguments_of(study: str, options: Mapping[str, Any]) -> list[str]:
    """The call as the arguments of ``python -m experiments.sweep``.

    An option that may be given several times takes a list, ``data`` and ``set`` a mapping; None leaves an option out.

    Raises:
        ValueError: no such option, or no study's name.
    """
    if not isinstance(study, str) or not re.fullmatch(r"\w[\w.-]*", study):
        raise ValueError(f"'study' must be the name of a study, got {shorten(str(study))}")
    words = [study]
    for name, value in options.items():
        if name not in OPTIONS:
            raise ValueError(f"no option {name!r}{suggestion(name, [*OPTIONS, *CALLED])}; known: {', '.join(OPTIONS)}")
        words += _words(OPTIONS[name], value)
    return words


def _words(item: Field[Any], value: Any) -> list[str]:
    shown, flag = item.metadata[OPTION], flag_of(item)
    if value is None or (value is False and (_is_switch(item) or shown["bare"])):
        return []
    if value is True and (_is_switch(item) or shown["bare"]):
        return [flag]
    if _is_switch(item):
        raise ValueError(f"{flag}: must be true or false, got {shorten(str(value))}")
    return [f"{flag}={text}" for text in (_listed(value) if shown["many"] else [_text(value)])]


def _listed(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [f"{name}={_text(each)}" for name, each in value.items()]
    return [_text(each) for each in (value if isinstance(value, list | tuple) else [value])]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(_text(each) for each in value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _is_switch(item: Field[Any]) -> bool:
    return item.type in (bool, "bool")
