"""What is empty has no place on the page and no file; what is not drawn is said once, with its reason."""

import re
from pathlib import Path

import pytest

from reports.analysis.comparison import compare_studies
from reports.page import write_report
from reports.page.report import _warnings
from tests.reports.records_fixture import ARMS, Records, write_records

FIGURE = re.compile(r'<figure(?: class="table")? id="([^"]+)">(.*?)</figure>', re.DOTALL)


@pytest.mark.usefixtures("svg_alone")
def test_nothing_empty_is_printed_or_written(tmp_path: Path) -> None:
    folders = write_records(tmp_path / "runs", Records(arms=(ARMS[1], ARMS[-1]), seeds=1))
    for folder in folders.values():
        (folder / "eval" / "val" / "labels.csv").unlink()
        (folder / "history.csv").unlink(missing_ok=True)
    page = write_report([tmp_path / "runs"], tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    printed = dict(FIGURE.findall(text))
    assert "fusion-table-overview" in printed
    assert all("<svg" in content or "<td" in content for content in printed.values())
    headings = set(re.findall(r'<h2 id="fusion-(\w+)">', text))
    assert headings == set(re.findall(r'<a href="#fusion-(\w+)">', text)), "each heading is in the navigation"
    assert not headings & {"certainty", "structures", "training", "pairs", "labels"}
    assert "<li>Training curves. No trial has a history: nothing is drawn.</li>" in text
    assert not (page.parent / "tables" / "fusion_published.csv").exists()
    assert (page.parent / "text" / "fusion_results.txt").read_text(encoding="utf-8").startswith("2 methods were")


@pytest.mark.parametrize("split", ["the selection split", "the split of selection"])
def test_the_selection_split_is_named_once_whichever_records_say_so(tmp_path: Path, split: str) -> None:
    note = f"val is reported, {split}. 60 of the 60 volumes of test are missing"
    write_records(tmp_path, Records(arms=ARMS[:1], seeds=1, blocks=2, definition={"split_note": note}))
    (warning, *_) = _warnings(compare_studies([tmp_path])[0].records)
    assert warning == (
        "Selection split: figures are of val, on which choices were made (60 of the 60 volumes of test are missing)."
    )
