"""A table as numbers for a file and as words for the page, with a caption that names the split."""

from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd


class Reported(Protocol):
    """Records of which a table or figure is made: on which split, and of which data."""

    @property
    def split(self) -> str: ...

    @property
    def is_selection_split(self) -> bool: ...

    @property
    def dataset(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Table:
    """``numbers`` goes into the CSV, ``shown`` (all text) into page and Markdown.

    Of each row, where they are given: ``groups`` names its group, ``short`` what it is called below its group's name,
    ``marked`` whether it stands out.
    """

    title: str
    caption: str
    numbers: pd.DataFrame
    shown: pd.DataFrame
    groups: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    marked: tuple[bool, ...] = ()

    def markdown(self) -> str:
        """The table in Markdown, below its title and caption."""
        header = [str(column) for column in self.shown.columns]
        shown = [[str(cell).replace("|", "\\|") for cell in row] for row in self.shown.to_numpy()]
        lines = [header, ["---"] * len(header), *shown]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{self.caption}\n\n{body}\n"


def split_note(records: Reported) -> str:
    """What every table says of the split that it reports."""
    if not records.is_selection_split:
        return f"Split: {records.split}."
    return f"Split: {records.split}, the selection split (choices were made on it)."


def caption(text: str, records: Reported) -> str:
    """A caption with what nobody may overlook: the split, and that images are synthetic."""
    warning = " Synthetic images, not scans of people." if records.dataset.get("synthetic") else ""
    return f"{text} {split_note(records)}{warning}"
