"""The blocks of code of a page of the documents, and how they are run: in one process, in the current folder."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.sweep import main as sweep
from fusemorph.catalogue import look_again
from fusemorph.cli import main as fusemorph
from reports.__main__ import main as report

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCED = re.compile(r"^```([a-z]*)( slow)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: ``language`` is ``python``, ``bash`` (run as it stands), or empty (with placeholders)."""

    language: str
    slow: bool
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for language, slow, text in FENCED.findall(page.read_text(encoding="utf-8")):
        yield Block(language, bool(slow), text)


def commands_in(text: str) -> list[list[str]]:
    """The words of each line of a block."""
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def run_page(page: Path, *, slow: bool = False) -> None:
    """Run the blocks of a page from the first to the last: Python in one namespace, files written, commands called."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.slow and not slow:
            continue
        if block.language == "python" and (path := re.match(r"# (\S+\.py)\n", block.text)):
            Path(path[1]).parent.mkdir(parents=True, exist_ok=True)
            Path(path[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, str(page), "exec"), namespace)
        elif block.language == "bash":
            for words in commands_in(block.text):
                assert call(words) == 0, f"{page}: {shlex.join(words)}"


def call(words: list[str]) -> int:
    """Call a command of this project in this process, which looks for entries as a new one would."""
    look_again()
    for start, main in (
        ("python -m experiments.sweep", sweep),
        ("python -m reports", report),
        ("fusemorph", fusemorph),
    ):
        if words[: len(start.split())] == start.split():
            return main(words[len(start.split()) :])
    raise ValueError(f"no command of this project: {shlex.join(words)}")
