"""The committed numbers of the real studies make a report."""

from pathlib import Path

import pytest

from reports.page import write_report
from reports.tables import arms_text

RESULTS = Path(__file__).parents[2] / "experiments" / "results"


@pytest.mark.parametrize("name", ["fusion", "quickstart", "tuning"])
def test_a_report_is_drawn_from_the_committed_numbers(name: str, tmp_path: Path) -> None:
    page = write_report([RESULTS / name], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "AutoFuse" in text
    assert "cannot be read" not in text
    assert page.stat().st_size < 8e6


def test_identity_on_the_val_pairs_is_what_everybody_measures() -> None:
    row = next(line for line in arms_text([RESULTS / "fusion"]).splitlines() if line.startswith("identity"))
    assert row.split()[1] == "0.512"
