"""What the candidates of a search amount to: best ones, incumbent, placement, fidelity, front. Nothing is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from reports.records.levels import level_of, levels
from reports.records.plans import DEAD
from reports.records.search import CONTROL, SEARCH, SearchRecords

ENDED = ("finished", "pruned", "refused")
"""How a candidate may have ended whose val Dice counts."""
FEWEST_FOR_RANKS = 3


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


def objectives(records: SearchRecords) -> list[Objective]:
    """What the search aims at, as far as this report knows it; val Dice where it knows none."""
    known = [OBJECTIVES[name] for name in records.searched["objectives"] if name in OBJECTIVES]
    return known or [OBJECTIVES["dice"]]


def steps_of(candidates: pd.DataFrame) -> list[int]:
    """The steps at which any candidate was validated."""
    return [int(str(name)[5:]) for name in candidates if str(name).startswith("gain_")]


def shared_step(candidates: pd.DataFrame) -> int | None:
    """The last step that every candidate has come to that ended and has a gain at all, pruned ones included."""
    ended = candidates[candidates["state"].isin(ENDED)]
    known = [step for step in steps_of(candidates) if ended[f"gain_{step}"].notna().any()]
    having = ended[[f"gain_{step}" for step in known]].dropna(how="all")
    return max((step for step in known if having[f"gain_{step}"].notna().all()), default=None)


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
    values = np.stack([aim.no_worse(candidates[aim.column]) for aim in aims], axis=1).reshape(-1, len(aims))
    complete = ~np.isnan(values).any(axis=1)
    beaten = [bool((complete & (values >= own).all(axis=1) & (values > own).any(axis=1)).any()) for own in values]
    return pd.Series(complete & ~np.array(beaten, dtype=bool), index=candidates.index)


def compute(records: SearchRecords) -> tuple["pd.Series[float]", str]:
    """The price of each candidate and its unit: hours of training, or steps x FLOPs where hours are not all known.

    What was never trained, and failures that kept no time, count as nothing.
    """
    candidates = records.candidates
    trained = candidates["state"].isin(ENDED)
    seconds = candidates["seconds"].astype(float)
    if seconds[trained].notna().all():
        return seconds.fillna(0.0) / 3600, "Training time, summed (hours)"
    price = candidates["step"].astype(float) * candidates["flops"].astype(float) * candidates["keys"].map(len)
    return price.fillna(0.0) / 1e15, "Steps × forward FLOPs, summed (10¹⁵)"


def incumbent(records: SearchRecords, part: str) -> pd.DataFrame:
    """The best so far after each candidate that ended, by ``order`` and by ``compute`` summed; NaN before the first."""
    aim, price = objectives(records)[0], compute(records)[0]
    own = records.of(part)
    own = own[~own["state"].isin(["running", "missing"])]
    values = pd.Series(aim.no_worse(own[aim.column].where(own["state"] == "finished")), index=own.index)
    so_far = values.cummax().ffill() * (1 if aim.more_is_better else -1)
    return pd.DataFrame(
        {"part": part, "order": own["order"], "compute": price.loc[own.index].cumsum(), "best": so_far.astype(float)}
    )


def random_band(records: SearchRecords, *, level: float = 0.9) -> pd.DataFrame:
    """What random search of ``order`` candidates comes to: ``middle`` (median) and the ends of the ``level`` interval.

    Exact for candidates drawn from those of the random control, with replacement: the best of n is no better than the
    k-th of N in (k / N)^n of the draws. Those that did not finish are worse than all that did: where ``low`` falls
    among them it is the worst that finished, the others NaN. ``compute`` is that of n average candidates. Empty without
    a control.

    Source: Dodge et al. 2019, "Show your work", eq. 7, for quantiles.
    """
    aim, price = objectives(records)[0], compute(records)[0]
    own = records.of(CONTROL)
    own = own[own["state"].isin([*ENDED, "failed"])]
    if not (own["state"] == "finished").any():
        return pd.DataFrame(columns=["order", "compute", "low", "middle", "high"])
    values = aim.no_worse(own[aim.column].where(own["state"] == "finished"))
    ranked = np.sort(np.where(np.isnan(values), -np.inf, values))
    order = np.arange(1, len(own) + 1)
    ends = {"low": (1 - level) / 2, "middle": 0.5, "high": (1 + level) / 2}
    places = {name: np.ceil(len(own) * share ** (1 / order) - 1e-9).astype(int) - 1 for name, share in ends.items()}
    drawn = {name: np.where(np.isinf(ranked[place]), nan, ranked[place]) for name, place in places.items()}
    drawn["low"] = np.where(np.isnan(drawn["low"]) & ~np.isnan(drawn["high"]), np.nanmin(values), drawn["low"])
    signed = {name: own * (1 if aim.more_is_better else -1) for name, own in drawn.items()}
    return pd.DataFrame({"order": order, "compute": order * price.loc[own.index].mean(), **signed})


def placement(candidates: pd.DataFrame, operators: str) -> pd.DataFrame:
    """Mean gain at the shared step, and number, of the candidates with an operator at a stage; dead stages are one."""
    known = judged(candidates[candidates["plan"].str.len() > 0])
    rows = [
        {"operator": operator, "stage": stage, "gain": own["shared_gain"].mean(), "candidates": len(own)}
        for operator in (*operators, DEAD)
        for stage in range(1, max([len(plan) for plan in known["plan"]], default=0) + 1)
        for own in [known[known["plan"].str[stage - 1] == operator]]
    ]
    return pd.DataFrame(rows, columns=["operator", "stage", "gain", "candidates"])


def effect(candidates: pd.DataFrame, parameter: dict[str, Any]) -> pd.DataFrame:
    """``value`` of a parameter, and gain at the shared step, of the candidates where it is active and in its space."""
    known, name = judged(candidates), parameter["name"]
    allowed, level = set(levels(parameter)), level_of(parameter)
    active = known[[name in own and level(own[name]) in allowed for own in known["values"]]]
    # As objects, so that None stays None beside numbers.
    return active.assign(value=pd.Series([v[name] for v in active["values"]], index=active.index, dtype=object))


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Early and final gains of the finished candidates, each once, and their rank correlation."""

    step: int
    last: int
    gains: pd.DataFrame
    correlation: float


def fidelity(records: SearchRecords) -> list[Fidelity]:
    """How well each earlier validation ranks what finishes; none where nothing has both an early and a final gain."""
    finished = records.candidates[records.candidates["state"] == "finished"].drop_duplicates("keys")
    steps = [step for step in steps_of(finished) if finished[f"gain_{step}"].notna().any()]
    early = [finished.assign(early=finished[f"gain_{step}"].astype(float)) for step in steps[:-1]]
    known = [one.dropna(subset=["early", "gain"]) for one in early]
    return [
        Fidelity(step=step, last=steps[-1], gains=one, correlation=rank_correlation(one["early"], one["gain"]))
        for step, one in zip(steps[:-1], known, strict=True)
        if len(one)
    ]


def rank_correlation(first: "pd.Series[float]", second: "pd.Series[float]") -> float:
    """Spearman's; NaN for fewer than three candidates or where all are equal."""
    if len(first) < FEWEST_FOR_RANKS or first.nunique() < 2 or second.nunique() < 2:
        return nan
    return float(stats.spearmanr(first, second).statistic)


def parts(records: SearchRecords) -> list[str]:
    """Which of search and control have candidates."""
    return [part for part in (SEARCH, CONTROL) if len(records.of(part))]
