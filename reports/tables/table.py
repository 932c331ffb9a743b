"""A table as numbers for a file and as words for the page, with a caption that names the split."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from reports.tables.latex import booktabs

# Columns of text; all others hold numbers.
WORDS = (
    "Arm", "Structure", "Plan", "Verdict", "What", "Value", "Seed", "Key", "State", "Reason", "Configuration", "Part",
    "Source", "Metric", "Data set", "Against", "Decoded plan", "Trained as", "Over", "Item",
    "Trained on", "Question", "Answer", "Which", "Pair", "From the records", "From", "To", "Study", "Best arm",
    "Baseline",
)  # fmt: skip


# What spreadsheets take for a formula, or for the start of one: not plans, whose dead stages are hyphens, nor numbers.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![a-z-]*$|[\d.]+(e[+-]?\d+)?$)")


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
    ``marked`` whether it is set in bold.
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
        header = [markdown_text(str(column)) for column in self.shown.columns]
        shown = [[markdown_text(str(cell)) for cell in row] for row in self.shown.to_numpy()]
        lines = [header, ["---"] * len(header), *shown]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {markdown_text(self.title)}\n\n{markdown_text(self.caption)}\n\n{body}\n"

    def latex(self, name: str) -> str:
        r"""The table in LaTeX with booktabs, as ``\label{tab:NAME}``."""
        return booktabs(
            [str(column) for column in self.shown.columns],
            self.shown.astype(str).to_numpy().tolist(),
            caption=f"{self.title}. {self.caption}",
            label=f"tab:{name}",
            right=[is_number(column) for column in self.shown.columns],
            groups=self.groups,
            marked=self.marked,
        )

    def write(self, folder: Path, name: str) -> None:
        """``NAME.csv`` with the numbers, ``NAME.md`` and ``NAME.tex`` with the words; no LaTeX without rows."""
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(self.numbers, folder / f"{name}.csv")
        (folder / f"{name}.md").write_text(self.markdown(), encoding="utf-8", errors="replace")
        if len(self.shown):
            (folder / f"{name}.tex").write_text(self.latex(name), encoding="utf-8", errors="replace")
        else:
            (folder / f"{name}.tex").unlink(missing_ok=True)


def write_csv(numbers: pd.DataFrame, path: Path) -> None:
    """The same bytes for the same numbers on every machine; what a spreadsheet would take for a formula is quoted."""
    texts = [name for name in numbers if pd.api.types.is_string_dtype(numbers[name]) or numbers[name].dtype == object]
    safe = numbers.assign(**{str(name): numbers[name].map(_no_formula) for name in texts})
    safe.to_csv(path, index=False, float_format="%.8g", lineterminator="\n", encoding="utf-8", errors="replace")


def _no_formula(cell: Any) -> Any:
    """A text with a quote before it where it would be a formula; a plan may begin with the hyphens of dead stages."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def markdown_text(text: str) -> str:
    """Text that Markdown, also GitHub's, shows as it reads, on one line."""
    return re.sub(r"[\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)", r"\\\g<0>", " ".join(text.split()))


def is_number(column: object) -> bool:
    """Whether a column's title says numbers, which are set to the right."""
    return str(column).strip() not in WORDS


def split_note(records: Reported) -> str:
    """What every table says of the split that it reports."""
    if not records.is_selection_split:
        return f"Split: {records.split}."
    return f"Split: {records.split}, the selection split (choices were made on it)."


def caption(text: str, records: Reported) -> str:
    """A caption with what nobody may overlook: the split, and that images are synthetic."""
    return f"{text} {warning(records)}"


def warning(records: Reported) -> str:
    """What is true of every table of a study: a page says it once."""
    return split_note(records) + (" Synthetic images, not scans of people." if records.dataset.get("synthetic") else "")
