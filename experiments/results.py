"""Write ``docs/results.md``, and the table of results in the README, from the records of ``experiments/results``.

``python -m experiments.results`` writes both, ``--check`` says whether they are what the records give.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from fusemorph.storage import read_json
from reports.analysis.comparison import Comparison, compare_studies
from reports.records.search import SearchRecords, load_searches
from reports.tables.arms import differences, overview
from reports.tables.search import best_candidates
from reports.tables.table import Reported, Table, markdown_text

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "experiments" / "results"
PAGE = ROOT / "docs" / "results.md"
README = ROOT / "README.md"
SHOWN_IN_README = ("fusion-c2f", "fusion-hippocampus-quick")
TABLE = re.compile(r"(<!-- results: python -m experiments.results -->\n).*?(<!-- end of results -->)", re.DOTALL)
COLUMNS = ("Arm", "Dice", "95 % interval", "Parameters")
SEEDS_FOR_A_CLAIM = 3
OPENING = """\
# Results

Made by `python -m experiments.results` from the records in [experiments/results](../experiments/results); no figure is
typed. What was learned from them, negative results too, is in [experiments/LOG.md](../experiments/LOG.md), with
commits and with what records do not hold: speed, memory, and comparisons with other packages.

A budget is what its name said when the study was run, and so are arms; figures under one heading belong together,
those under different headings need not. Means are over pairs, then over seeds; intervals are at 95 % over blocks of
pairs that share subjects, crossed with seeds where there are several (†: over blocks alone).
`python -m reports experiments/results/FOLDER --out DIR` draws the report.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write both, or compare them; 0, or 1 where a file is not what the records give."""
    description = "Write docs/results.md, and the table of results in the README, from the records."
    parser = argparse.ArgumentParser(prog="python -m experiments.results", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where a file would change")
    call = parser.parse_args(argv)
    written = {PAGE: page(), README: TABLE.sub(lambda found: found[1] + readme_table() + found[2], README.read_text())}
    changed = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        print(f"{path.relative_to(ROOT)} {'is not what the records give' if call.check else 'written'}")
        if not call.check:
            path.write_text(written[path], encoding="utf-8")
    return 1 if changed and call.check else 0


def page() -> str:
    """``docs/results.md``: a section a study, in the order of the folders."""
    parts = [OPENING]
    for folder in sorted(path for path in RECORDS.iterdir() if (path / "studies").is_dir()):
        parts += [section_of(comparison, folder.name) for comparison in studies_in(folder)]
        parts += [search_section(search, folder.name) for search in searches_in(folder)]
    return "\n".join(parts)


def studies_in(folder: Path) -> Iterable[Comparison]:
    """The comparisons of a folder of records."""
    names = [path for path in (folder / "studies").glob("*.json") if "search" not in read_json(path)]
    return compare_studies([folder]) if names else []


def searches_in(folder: Path) -> Iterable[SearchRecords]:
    """The searches of a folder of records."""
    return load_searches([folder])


def section_of(comparison: Comparison, folder: str) -> str:
    """A study: its question, the data, the line that ran it, and its tables."""
    records = comparison.records
    tables = [overview(comparison)]
    if len(records.definition.get("seeds", ())) >= SEEDS_FOR_A_CLAIM:
        tables.append(differences(comparison))
    heading = _heading(f"{folder}: {records.name}", records.definition)
    return "\n".join([*heading, *(_shown(table, records) for table in tables)])


def search_section(records: SearchRecords, folder: str) -> str:
    """A search: its question, the data, the line that ran it, and its best candidates."""
    return "\n".join(
        [*_heading(f"{folder}: {records.name}", records.definition), _shown(best_candidates(records), records)]
    )


def readme_table() -> str:
    """The one table of the README: the arms of its study whose seeds have all finished."""
    folder, name = SHOWN_IN_README
    (comparison,) = compare_studies([RECORDS / folder], study=name)
    table = _with_results(overview(comparison).shown)
    arms = comparison.evaluated
    finished = arms.loc[(arms["seeds"] == arms["seeds_planned"]) & (arms["parent"].fillna("") == ""), "arm"]
    table = table[table["Arm"].isin(finished)]
    return _rows(table[[column for column in COLUMNS if column in table]]) + "\n"


def _heading(name: str, definition: dict[str, object]) -> Iterator[str]:
    yield f"## {markdown_text(name)}\n"
    yield f"{markdown_text(str(definition.get('question', '')))}\n"
    for line in definition.get("command") or []:  # type: ignore[attr-defined]
        yield f"```\npython -m experiments.{str(line).replace('sweep.py', 'sweep')}\n```\n"


def _shown(table: Table, records: Reported) -> str:
    split = f"{records.split}, the selection split" if records.is_selection_split else records.split
    return f"**{markdown_text(table.title)}**, on {split}:\n\n{_rows(_with_results(table.shown))}\n"


def _with_results(shown: pd.DataFrame) -> pd.DataFrame:
    """Without the arms that were not run."""
    lacking = shown.apply(lambda column: column.astype(str).isin(["no result", "not run", "not measured", ""]))
    blank = lacking.drop(columns=["Arm"], errors="ignore")
    results = [name for name in ("Dice", "Difference") if name in shown]
    return shown[~blank[results].any(axis=1)] if results else shown


def _rows(table: pd.DataFrame) -> str:
    header = [markdown_text(str(name)) for name in table.columns]
    rows = [[markdown_text(str(cell)) for cell in row] for row in table.to_numpy()]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *rows])


if __name__ == "__main__":
    sys.exit(main())
