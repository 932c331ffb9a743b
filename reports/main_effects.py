"""Mean gain of the candidates that share a level of a setting, with intervals, and by pairs of settings."""

import numpy as np
import pandas as pd

from reports.search import SearchRecords
from reports.search_summaries import judged, parts, shared_step, steps_of
from reports.settings import settings
from reports.statistics import mean_interval

ALL, FINISHED = "all that ended", "finished"
_COLUMNS = ("setting", "level", "candidates", "mean", "low", "high", "effect")


def main_effects(table: pd.DataFrame, gains: "pd.Series[float]") -> pd.DataFrame:
    """For each level of each column of ``table``: number of candidates, mean gain with its interval, and ``effect``.

    The interval is Student's over the candidates with that level, so it holds what the other settings and the seed
    vary, and is a fair one where candidates were drawn at random. ``effect`` is the mean less that of all candidates.
    """
    known = gains.reindex(table.index).dropna()
    rows = []
    for name in table:
        for level, own in known.groupby(table[name].loc[known.index], observed=True):
            one = mean_interval(own.to_numpy()[None], trained=False)
            rows.append((str(name), str(level), len(own), one.estimate, one.low, one.high, one.estimate - known.mean()))
    return pd.DataFrame(rows, columns=_COLUMNS)


def pair_means(table: pd.DataFrame, gains: "pd.Series[float]", first: str, second: str) -> pd.DataFrame:
    """Mean gain and number of the candidates with each pair of levels of two settings."""
    known = gains.reindex(table.index).dropna()
    grouped = known.groupby([table[name].loc[known.index] for name in (first, second)], observed=True)
    return grouped.agg(mean="mean", candidates="size").reset_index()


def effects_of(records: SearchRecords) -> pd.DataFrame:
    """Main effects in search and control, at the step that all came to and at the last, of finished candidates alone.

    Where nothing was stopped early the two are the same, and only the first is given.
    """
    step, last = shared_step(records.candidates), max(steps_of(records.candidates), default=None)
    found = []
    for part in parts(records):
        own = judged(records.candidates)
        own = own[own["part"] == part]
        bases = [(ALL, step, own, own["shared_gain"])]
        finished = records.of(part)[records.of(part)["state"] == "finished"]
        bases += [(FINISHED, last, finished, finished["gain"])] if last != step else []
        for basis, at, chosen, gains in bases:
            effects = main_effects(settings(chosen, records.searched["space"]), gains.astype(float))
            found.append(effects.assign(part=part, basis=basis, step=np.nan if at is None else at))
    empty = pd.DataFrame(columns=[*_COLUMNS, "part", "basis", "step"])
    return pd.concat([one for one in found if len(one)] or [empty], ignore_index=True)
