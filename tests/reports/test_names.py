"""Modules that users' scripts import go on under the names they had."""

from importlib import import_module

import pytest

from reports import FORMER


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_is_the_module_that_took_its_place(former: str) -> None:
    assert import_module(former) is import_module(FORMER[former])


def test_what_the_gallery_named_is_there() -> None:
    from reports.analysis.ablation import analyse
    from reports.analysis.comparison import compare_studies
    from reports.dataframe import comparison_of, load
    from reports.figures.ablation import ablation_drawings
    from reports.figures.gates import gate_drawings
    from reports.figures.pairs import pictured
    from reports.figures.search import search_drawings
    from reports.page import write_report
    from reports.records.search import load_searches

    documented = (
        analyse, ablation_drawings, compare_studies, comparison_of, load, gate_drawings, write_report, pictured,
        load_searches, search_drawings,
    )  # fmt: skip
    assert all(one.__doc__ for one in documented)
