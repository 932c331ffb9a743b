"""Comparison reports drawn from the records of trials alone: no torch, no images."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER = {
    "reports.ablation": "reports.analysis.ablation",
    "reports.ablation_drawings": "reports.figures.ablation",
    "reports.comparison": "reports.analysis.comparison",
    "reports.frame": "reports.dataframe",
    "reports.gate_drawings": "reports.figures.gates",
    "reports.pair_drawings": "reports.figures.pairs",
    "reports.search": "reports.records.search",
    "reports.search_drawings": "reports.figures.search",
}
"""Modules that the gallery once named, and where they are now: scripts that import the old names go on working."""


class _FormerNames(MetaPathFinder, Loader):
    """Imports a module of ``FORMER`` as the one that took its place."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in FORMER else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(FORMER[module.__name__])


sys.meta_path.append(_FormerNames())
