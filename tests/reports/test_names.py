"""Modules that users' scripts import go on under the names they had."""

from importlib import import_module

import pytest

from reports import FORMER


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_is_the_module_that_took_its_place(former: str) -> None:
    assert import_module(former) is import_module(FORMER[former])


def test_what_the_gallery_named_is_there() -> None:
    from reports.ablation import analyse
    from reports.ablation_drawings import ablation_drawings
    from reports.comparison import compare_studies
    from reports.frame import comparison_of, load
    from reports.gate_drawings import gate_drawings
    from reports.page import write_report
    from reports.pair_drawings import pictured
    from reports.search import load_searches
    from reports.search_drawings import search_drawings

    documented = (
        analyse, ablation_drawings, compare_studies, comparison_of, load, gate_drawings, write_report, pictured,
        load_searches, search_drawings,
    )  # fmt: skip
    assert all(one.__doc__ for one in documented)
