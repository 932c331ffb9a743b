"""Modules and functions that users' scripts import go on under the names they had."""

from importlib import import_module

import pytest

from reports import FORMER

DOCUMENTED = (
    ("reports.ablation", "analyse"), ("reports.ablation_drawings", "ablation_drawings"),
    ("reports.comparison", "compare_studies"), ("reports.frame", "comparison_of"), ("reports.frame", "load"),
    ("reports.gate_drawings", "gate_drawings"), ("reports.page", "write_report"),
    ("reports.pair_drawings", "pictured"), ("reports.search", "load_searches"),
    ("reports.search_drawings", "search_drawings"), ("reports.plot", "distribution"), ("reports.tabulate", "overview"),
)  # fmt: skip


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_is_the_module_that_took_its_place(former: str) -> None:
    assert import_module(former) is import_module(FORMER[former])


@pytest.mark.parametrize(("module", "name"), DOCUMENTED)
def test_what_the_gallery_has_named_is_there(module: str, name: str) -> None:
    assert callable(getattr(import_module(module), name))
