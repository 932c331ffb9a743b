"""Each figure of the report as one function, onto Axes: of a study from its records, of a search from ``load_search``.

``ax`` is where it is drawn (default: Axes of a new figure).
"""

from reports.plot.datasets import across_datasets
from reports.plot.search import (
    effect,
    fidelity,
    front,
    importance,
    incumbent,
    interactions,
    load_search,
    parallel,
    path,
    placement,
    plan,
    stage_effects,
)
from reports.plot.study import (
    against,
    critical_difference,
    differences,
    distribution,
    forest,
    gates,
    side_by_side,
    significance,
    stability,
    structures,
    training,
)

__all__ = [
    "across_datasets",
    "against", "critical_difference", "differences", "distribution", "effect", "fidelity", "forest", "front", "gates",
    "importance", "incumbent", "interactions", "load_search", "parallel", "path", "placement", "plan", "side_by_side",
    "significance", "stability", "stage_effects", "structures", "training",
]  # fmt: skip
