"""The tutorials, typed as they stand: every block runs, at the smallest budget."""

import os
from pathlib import Path

import matplotlib as mpl
import pytest

from fusemorph.catalogue import FOLDERS, look_again
from tests.documented import ROOT, run_page

TUTORIALS = ROOT / "docs" / "tutorials"
FIRST = ("first-comparison", "reading-a-report", "figure-for-a-paper")
SLOW = ("own-method", "own-data", "own-study", "few-labels", "cluster")


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, brains_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own, and figures that go into files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUSEMORPH_CACHE", str(brains_cache))
    monkeypatch.setenv(FOLDERS, "")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    mpl.use("agg")
    look_again()


def test_the_tutorials_are_these() -> None:
    assert {page.stem for page in TUTORIALS.glob("*.md")} == {"README", *FIRST, *SLOW}
    index = (TUTORIALS / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.md)" in index for name in (*FIRST, *SLOW))


def test_a_first_comparison_its_report_and_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    for name in FIRST:
        run_page(TUTORIALS / f"{name}.md")
    assert Path("report/index.html").exists()
    assert Path("figure.png").exists()
    assert "\\begin{tabular}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_other_tutorials(name: str) -> None:
    run_page(TUTORIALS / f"{name}.md", slow=True)
    assert os.listdir()


@pytest.mark.slow
def test_the_page_on_python() -> None:
    run_page(ROOT / "docs" / "api.md")
