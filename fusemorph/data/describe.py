"""``fusemorph datasets``: which data sets can be read, under which licence, and how to obtain them."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from textwrap import fill

from fusemorph.catalogue import DATASETS, add_folders, add_option, load_entry
from fusemorph.data import Dataset, known_datasets

WIDTH = 100


def main(argv: Sequence[str] | None = None) -> int:
    """``fusemorph datasets [NAME ...]``: 0, or 2 for a name that is none."""
    call = parser().parse_args(argv)
    try:
        add_folders(call.entries)
        kinds = [load_entry(DATASETS, name, Dataset) for name in call.names or known_datasets()]
    except ValueError as error:
        print(f"fusemorph datasets: {error}", file=sys.stderr)
        return 2
    print("\n\n".join("\n".join(_lines(kind)) for kind in kinds))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of ``fusemorph datasets``."""
    made = argparse.ArgumentParser(
        "fusemorph datasets", description="List the data sets that can be read, with licences and how to obtain them."
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="only these")
    add_option(made)
    return made


def _lines(kind: type[Dataset]) -> Iterator[str]:
    yield f"{kind.name}: {kind.title}"
    rows = {
        "source": kind.source,
        "licence": kind.licence,
        "download": kind.download,
        "folder": kind.layout,
        "check": f"fusemorph check {kind.name}" + (" --data DIR" if kind.layout else ""),
    }
    for name, text in rows.items():
        if text:
            yield fill(text, WIDTH, initial_indent=f"  {name:9}", subsequent_indent=" " * 11, break_long_words=False)
