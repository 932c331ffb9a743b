"""A search and its control: incumbent, random band, fidelity, and what they are called."""

from dataclasses import dataclass
from math import nan
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from reports.analysis.candidates import ENDED, Objective, objectives, steps_of
from reports.records.definitions import CONTROL, SEARCH
from reports.records.search import SearchRecords
from reports.statistics.correlation import rank_correlation

SEARCHERS = {
    "tpe": "TPE",
    "nsga2": "NSGA-II",
    "random": "random search",
    "grid": "grid search",
    "evolution": "regularised evolution",
    "brute": "brute force",
}
Row: TypeAlias = "pd.Series[Any]"


def objectives_of(records: SearchRecords) -> list[Objective]:
    """What the search aims at."""
    return objectives(records.searched["objectives"])


def searcher(records: SearchRecords) -> str:
    """What proposed the candidates, in words."""
    name = str(records.searched["searcher"])
    return SEARCHERS.get(name, name)


def proposer(records: SearchRecords, part: str, *, opens: bool = False) -> str:
    """What proposed the candidates of a part, in words; with a capital where it ``opens`` a line."""
    words = f"search by {searcher(records)}" if part == SEARCH else part
    return words[:1].upper() + words[1:] if opens else words


def part_names(records: SearchRecords) -> dict[str, str]:
    """What proposed the candidates of each part that has some, in words."""
    return {part: proposer(records, part) for part in records.parts}


def title(row: Row) -> str:
    """A candidate's label, with what the literature calls it."""
    return f"{row['label']} ({row['name']})" if row["name"] else str(row["label"])


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
    aim, price = objectives_of(records)[0], compute(records)[0]
    ended = records.of(part)
    ended = ended[~ended["state"].isin(["running", "missing"])]
    values = pd.Series(aim.no_worse(ended[aim.column].where(ended["state"] == "finished")), index=ended.index)
    so_far = values.cummax().ffill() * (1 if aim.more_is_better else -1)
    return pd.DataFrame(
        {
            "part": part,
            "order": ended["order"],
            "compute": price.loc[ended.index].cumsum(),
            "best": so_far.astype(float),
        }
    )


def random_band(records: SearchRecords, *, level: float = 0.9) -> pd.DataFrame:
    """Best gain of random search with ``order`` candidates: ``middle`` (median) and the ends of the ``level`` interval.

    Exact for candidates drawn from those of the random control, with replacement: the best of n is no better than the
    k-th of N in (k / N)^n of the draws. Those that did not finish are worse than all that did: where ``low`` falls
    among them it is the worst that finished, the others NaN. ``compute`` is that of n average candidates. Empty without
    a control.

    Source: Dodge et al. 2019, "Show your work", eq. 7, for quantiles.
    """
    aim, price = objectives_of(records)[0], compute(records)[0]
    ended = records.of(CONTROL)
    ended = ended[ended["state"].isin([*ENDED, "failed"])]
    if not (ended["state"] == "finished").any():
        return pd.DataFrame(columns=["order", "compute", "low", "middle", "high"])
    values = aim.no_worse(ended[aim.column].where(ended["state"] == "finished"))
    ranked = np.sort(np.where(np.isnan(values), -np.inf, values))
    order = np.arange(1, len(ended) + 1)
    ends = {"low": (1 - level) / 2, "middle": 0.5, "high": (1 + level) / 2}
    places = {name: np.ceil(len(ended) * share ** (1 / order) - 1e-9).astype(int) - 1 for name, share in ends.items()}
    drawn = {name: np.where(np.isinf(ranked[place]), nan, ranked[place]) for name, place in places.items()}
    drawn["low"] = np.where(np.isnan(drawn["low"]) & ~np.isnan(drawn["high"]), np.nanmin(values), drawn["low"])
    signed = {name: values * (1 if aim.more_is_better else -1) for name, values in drawn.items()}
    return pd.DataFrame({"order": order, "compute": order * price.loc[ended.index].mean(), **signed})


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
    measured = [pairs.dropna(subset=["early", "gain"]) for pairs in early]
    return [
        Fidelity(step=step, last=steps[-1], gains=pairs, correlation=rank_correlation(pairs["early"], pairs["gain"]))
        for step, pairs in zip(steps[:-1], measured, strict=True)
        if len(pairs)
    ]
