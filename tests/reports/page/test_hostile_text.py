"""Text of records is text in every form of a report: no markup, no script, no command, no formula, no escape."""

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

import reports
import reports.plots.style
from reports.page import write_report
from reports.tables.study import arms_text
from tests.reports.records_fixture import Arm, Records, write_records

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULA = '=HYPERLINK("http://example.org","x")'
COMMAND = r"\input{/etc/passwd} $\alpha_$ 50% & {"
ESCAPE = "red\x1b[31m\x07 text"
REASON = f"{SCRIPT} | **bold** `code` [link](x) {COMMAND}\n{ESCAPE}"
ARMS = (
    Arm(label="AutoFuse", plan="ggggggg"),
    Arm(label=SCRIPT, plan="jjjjjjj"),
    Arm(label=FORMULA, plan="------s"),
    Arm(label=COMMAND, plan="ssssjjj"),
    Arm(label=ESCAPE + " $" + "long " * 60, plan="sssjjjj", group="a $group$ of " + "words " * 30),
)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "runs"
    folders = write_records(
        folder, Records(arms=ARMS, seeds=2, blocks=6, pairs_in_block=2, definition={"question": SCRIPT})
    )
    path = folders["AutoFuse", "1"] / "record.json"
    record = json.loads(path.read_text()) | {"status": "failed", "reason": REASON, "plan": SCRIPT}
    path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def out(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports.plots.style, "FILES", {})
        return write_report([runs], tmp_path_factory.mktemp("report")).parent


def test_the_page_holds_no_element_of_a_record(out: Path) -> None:
    tags = Tags((out / "index.html").read_text(encoding="utf-8")).found
    assert sum(tag == "script" for tag, _ in tags) == 2, "the library of tables, and the page's own"
    assert not [attributes for _, attributes in tags if any(name.startswith("on") for name in attributes)]


def test_figures_hold_no_element_of_a_record(out: Path) -> None:
    files = sorted((out / "figures").glob("*.svg"))
    assert len(files) > 5
    for path in files:
        elements = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert not elements & {"script", "img", "foreignObject", "a"}


def test_markdown_shows_text_as_it_reads(out: Path) -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in [*(out / "tables").glob("*.md"), out / "CHECKLIST.md"]
    )
    assert re.search(r"(?<!\\)<(script|img)", text) is None
    assert r"\*\*bold\*\* \`code\` \[link\]" in text
    assert "\x1b" not in text


def test_spreadsheets_meet_no_formula(out: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (out / "tables").glob("*.csv")]
    cells = [cell for text in texts for row in csv.reader(text.splitlines()) for cell in row]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "\t", "\r"))]
    assert "------s" in cells


def test_latex_meets_no_command(out: Path) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (out / "tables").glob("*.tex"))
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert "\x1b" not in text


def test_a_terminal_meets_no_escape(runs: Path) -> None:
    text = arms_text([runs])
    assert SCRIPT in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def test_surroundings_change_no_figure(runs: Path, out: Path, tmp_path: Path) -> None:
    """A notebook's backend that is not here, a matplotlibrc that asks for LaTeX, a terminal in latin-1."""
    (tmp_path / "rc").mkdir()
    (tmp_path / "rc" / "matplotlibrc").write_text("text.usetex: True\naxes.grid: False\nlines.linewidth: 9\n")
    surroundings = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(tmp_path / "rc"),
        "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(reports.__file__).parents[1]),
    }  # fmt: skip
    command = [sys.executable, "-m", "reports", str(runs), "--out", str(tmp_path / "κατάλογος →")]
    run = subprocess.run(command, capture_output=True, check=False, env=os.environ | surroundings, cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode("latin-1")
    assert b"?????????" in run.stdout
    drawn = tmp_path / "κατάλογος →" / "figures" / "fusion_differences.svg"
    assert drawn.read_bytes() == (out / "figures" / "fusion_differences.svg").read_bytes()
