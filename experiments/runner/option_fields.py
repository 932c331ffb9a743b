"""How an option is declared: a field with a type, a help text and what it is called on the command line."""

from dataclasses import Field, dataclass, field, fields
from typing import Any

from experiments.runner.option_types import OptionType, Word

OPTION = "option"


def option(
    kind: OptionType,
    help: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    flag: str = "",
    many: bool = False,
    bare: str | None = None,
) -> Any:
    """A field that is an option of the command line; ``flag`` where it is not called as the field is, ``bare``: what
    the flag without a value stands for, where it may come alone."""
    words = "|".join(kind.among) if isinstance(kind, Word) and not many else None
    shown = {"kind": kind, "help": help, "metavar": metavar or words, "flag": flag, "many": many, "bare": bare}
    return field(default=() if many else default, metadata={OPTION: shown})


def flag_of(field: Field[Any]) -> str:
    """What an option is called on the command line."""
    return str(field.metadata[OPTION]["flag"] or f"--{field.name.replace('_', '-')}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options that belong together. Each may be given as text or as what it shall be.

    Raises:
        ValueError: a value that is no such option, or out of bounds; the message names the option.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            given, shown = getattr(self, item.name), item.metadata[OPTION]
            try:
                if shown["many"]:
                    value: Any = tuple(shown["kind"].read(entry) for entry in given)
                else:
                    value = None if given is None else shown["kind"].read(given)
            except ValueError as error:
                raise ValueError(f"{flag_of(item)}: {error}") from error
            object.__setattr__(self, item.name, value)
