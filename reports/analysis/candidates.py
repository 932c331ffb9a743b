"""A table of candidates evaluated: which are judged, at which step, the best, and the front of the objectives."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from fusemorph import pareto
from reports.records.levels import level_of, levels
from reports.records.plans import DEAD, STAGES, is_plan, stage_symbols

ENDED = ("finished", "pruned", "refused")
"""How a candidate may have ended whose val Dice counts."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search aims at: a column of its candidates, in ``unit``, and whether more of it is better."""

    name: str
    column: str
    word: str
    label: str
    more_is_better: bool = False
    unit: float = 1.0

    def no_worse(self, values: "pd.Series[Any]") -> np.ndarray:
        """The values so that larger ones are better."""
        return np.asarray(values, dtype=float) * (1 if self.more_is_better else -1)


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(
            name="dice", column="gain", word="val Dice", label="Gain in val Dice over identity", more_is_better=True
        ),
        Objective(name="regularity", column="regularity", word="regularity", label="SD of log determinant"),
        Objective(name="folding", column="folding", word="folding", label="Folding fraction / 10⁻⁴", unit=1e-4),
        Objective(name="flops", column="flops", word="FLOPs", label="Forward FLOPs (G)", unit=1e9),
        Objective(name="parameters", column="parameters", word="parameters", label="Parameters (millions)", unit=1e6),
    )
}


def objectives(names: Sequence[str]) -> list[Objective]:
    """The objectives of those names, as far as this report knows them; val Dice where it knows none."""
    return [OBJECTIVES[name] for name in names if name in OBJECTIVES] or [OBJECTIVES["dice"]]


def steps_of(candidates: pd.DataFrame) -> list[int]:
    """The steps at which any candidate was validated."""
    return [int(str(name)[5:]) for name in candidates if str(name).startswith("gain_")]


def shared_step(candidates: pd.DataFrame) -> int | None:
    """The last step reached by every candidate that ended and has a gain at all, pruned ones included."""
    ended = candidates[candidates["state"].isin(ENDED)]
    measured = [step for step in steps_of(candidates) if ended[f"gain_{step}"].notna().any()]
    having = ended[[f"gain_{step}" for step in measured]].dropna(how="all")
    return max((step for step in measured if having[f"gain_{step}"].notna().all()), default=None)


def judged(candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates that ended and have a gain at the shared step, with it in ``shared_gain``."""
    step = shared_step(candidates)
    if step is None:
        return candidates.iloc[:0].assign(shared_gain=nan)
    ended = candidates[candidates["state"].isin(ENDED)]
    return ended.assign(shared_gain=ended[f"gain_{step}"].astype(float)).dropna(subset=["shared_gain"])


def ranked(candidates: pd.DataFrame, objective: Objective) -> pd.DataFrame:
    """Finished candidates by the objective, then the others by how far they came and their gain there."""
    finished = candidates[candidates["state"] == "finished"]
    finished = finished.sort_values(objective.column, ascending=not objective.more_is_better, kind="stable")
    others = candidates[(candidates["state"] != "finished") & candidates["last_gain"].notna()]
    others = others.sort_values(["step", "last_gain"], ascending=False, kind="stable")
    return pd.concat([part for part in (finished, others) if len(part)]) if len(finished) + len(others) else finished


def best(candidates: pd.DataFrame, objective: Objective) -> "pd.Series[Any] | None":
    """The best finished candidate."""
    finished = candidates[candidates["state"] == "finished"].dropna(subset=[objective.column])
    return ranked(finished, objective).iloc[0] if len(finished) else None


def front(candidates: pd.DataFrame, aims: Sequence[Objective]) -> "pd.Series[bool]":
    """Which candidates no other one dominates: none is as good in every objective and better in one."""
    values = candidates[[aim.column for aim in aims]].astype(float).to_numpy().tolist()
    kept = pareto.front(values, ["maximize" if aim.more_is_better else "minimize" for aim in aims])
    return pd.Series(np.isin(np.arange(len(candidates)), kept), index=candidates.index)


def placement(candidates: pd.DataFrame, operators: Sequence[str]) -> pd.DataFrame:
    """Mean gain at the shared step, and number, of the candidates with an operator at a stage; dead stages are one."""
    planned = judged(candidates[candidates["plan"].map(is_plan).astype(bool)])
    symbols = planned["plan"].map(stage_symbols)
    rows = [
        {"operator": operator, "stage": stage, "gain": placed["shared_gain"].mean(), "candidates": len(placed)}
        for operator in (*operators, DEAD)
        for stage in (STAGES if len(planned) else ())
        for placed in [planned[symbols.str[stage - 1] == operator]]
    ]
    return pd.DataFrame(rows, columns=["operator", "stage", "gain", "candidates"])


def effect(candidates: pd.DataFrame, parameter: dict[str, Any]) -> pd.DataFrame:
    """``value`` of a parameter, and gain at the shared step, of the candidates where it is active and in its space."""
    judged_candidates, name = judged(candidates), parameter["name"]
    allowed, level = set(levels(parameter)), level_of(parameter)
    active = judged_candidates[
        [name in settings and level(settings[name]) in allowed for settings in judged_candidates["values"]]
    ]
    # As objects, so that None stays None beside numbers.
    return active.assign(value=pd.Series([v[name] for v in active["values"]], index=active.index, dtype=object))
