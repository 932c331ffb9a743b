"""What a search is to do: the candidates that points of its space become, and the rules by which they are tried."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemorph.configuration import Json, canonical_json
from fusemorph.trials.job import Job
from nas.objectives import Objective
from nas.space import Space, Values

if TYPE_CHECKING:
    from nas.search import Search


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A distinct configuration of a search: its point, and its trials over datasets and seeds."""

    label: str
    values: Values
    method: Json
    budget_changes: Json
    jobs: tuple[Job, ...]

    @property
    def identity(self) -> str:
        """What equal configurations have in common."""
        return identity(self.method, self.budget_changes)


def identity(method: Mapping[str, Any], budget_changes: Mapping[str, Any]) -> str:
    """Canonical text of what a point of a space amounts to."""
    return canonical_json([method, budget_changes])


def _not_estimated(objective: Objective, method: Json) -> float:
    raise ValueError(f"SearchPlan(): 'estimate' is needed for the objective {objective.name}")


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What a search is to do, and with what.

    ``trials``: distinct configurations in all, those of earlier calls included. ``identity_dice``: val Dice of identity
    by dataset. ``make``: the candidate of a point. ``refuses``: why a configuration must not be trained, if so.
    ``limits``: the largest value of objectives that only training tells, such as folding. ``save_candidates``: called
    before a new candidate starts. ``estimate``: the value of an objective that no trial tells, for a configuration.
    Candidates without trials end as soon as they are proposed.

    Several processes may work on one search. ``turn``: the claim on proposing, None while another process has it;
    ``saved_points``: the points that all of them have saved, as ``Search.resume`` takes them.
    """

    name: str
    space: Space
    trials: int
    objectives: tuple[Objective, ...]
    identity_dice: Mapping[str, float]
    runs: Path
    seed: int
    make: Callable[[Values], Candidate]
    refuses: Callable[[Json], str | None]
    limits: Mapping[str, float]
    save_candidates: Callable[["Search"], None]
    estimate: Callable[[Objective, Json], float] = _not_estimated
    turn: Callable[[], AbstractContextManager[Any] | None] = nullcontext
    saved_points: Callable[[], Sequence[tuple[Values, int | None]]] = tuple
