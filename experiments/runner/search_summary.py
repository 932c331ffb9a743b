"""What a search has found, as text."""

import math
from collections.abc import Sequence

from fusemorph.pareto import front, hypervolume
from nas.objectives import Objective
from nas.search import Search
from reports.tables.terminal import aligned

SHOWN = 10


def summarise(search: Search) -> str:
    """The best candidates of a search, or its front where there are several objectives, and how the others ended."""
    objectives, ranked = search.plan.objectives, search.ranked()
    values, volume = [search.outcomes[candidate.identity].values for candidate in ranked], ""
    if len(objectives) > 1 and values:
        volume = _dominated(objectives, values)
        kept = front(values, [objective.direction for objective in objectives])
        ranked, values = [ranked[i] for i in kept], [values[i] for i in kept]
    rows = [["configuration", *(objective.title for objective in objectives)]]
    rows += [[c.label, *(f"{v:.4g}" for v in of_it)] for c, of_it in zip(ranked[:SHOWN], values[:SHOWN], strict=True)]
    states = [outcome.state for outcome in search.outcomes.values()]
    endings = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    more = f", {search.duplicates} proposals that repeat earlier ones" if search.duplicates else ""
    end = "; the space is exhausted" if search.exhausted else ""
    return "\n".join([*aligned(rows, right=True), f"{volume}{endings}{more}{end}"])


def _dominated(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> str:
    """The hypervolume of the front, as a share of the box between the worst and the best value of each objective."""
    directions = [objective.direction for objective in objectives]
    bounds = [(min(column), max(column)) for column in zip(*values, strict=True)]
    worst = [low if way == "maximize" else high for way, (low, high) in zip(directions, bounds, strict=True)]
    box = math.prod(high - low for low, high in bounds)
    share = hypervolume(values, directions, reference=worst) / box if box else 0.0
    return f"hypervolume: {share:.3f} of the box between the worst and the best values found\n"
