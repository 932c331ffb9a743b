"""Each line of Python below a figure or table draws it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes

from reports.analysis.comparison import compare_studies
from reports.page.python_lines import preamble, python_lines, search_lines, search_preamble
from reports.records.search import load_searches
from tests.reports.records_fixture import FUSION_ARMS, Records, write_records
from tests.reports.search_fixture import search_and_control


def run(begin: str, runs: Path) -> dict[str, Any]:
    """What the names of a preamble stand for, with the run folder of the test."""
    names: dict[str, Any] = {}
    exec(begin.replace('RUNS = "runs"', f"RUNS = {str(runs)!r}"), names)
    return names


@pytest.mark.parametrize("primary", [None, "hd95_mm"])
def test_lines_of_a_study_draw_its_figures_and_make_its_tables(tmp_path: Path, primary: str | None) -> None:
    write_records(tmp_path, Records(arms=FUSION_ARMS, seeds=2, blocks=6))
    (comparison,) = compare_studies([tmp_path], primary=primary, baseline="early")
    names, lines = run(preamble(comparison), tmp_path), python_lines(comparison)
    assert 'baseline="early"' in lines["differences"].replace("'", '"')
    for name, line in lines.items():
        made = eval(line, names)
        if name.startswith("table "):
            assert isinstance(made, pd.DataFrame), name
            assert len(made), name
        else:
            for ax in made if isinstance(made, list) else [made]:
                assert isinstance(ax, Axes), name
                assert ax.has_data() or ax.texts, name


def test_lines_of_a_search_draw_its_figures(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    (records,) = load_searches([tmp_path])
    names, lines = run(search_preamble(records), tmp_path), search_lines(records)
    for name in ("incumbent", "placement", "fidelity", "parallel", "stages", "plans"):
        made = eval(lines[name], names)
        assert isinstance(made, Axes), name
        assert made.has_data() or made.patches, name
