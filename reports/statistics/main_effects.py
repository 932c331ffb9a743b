"""Mean gain of the candidates that share a level of a setting, with intervals."""

import pandas as pd

from reports.statistics.intervals import mean_interval

COLUMNS = ("setting", "place", "level", "candidates", "mean", "low", "high", "effect")


def main_effects(table: pd.DataFrame, gains: "pd.Series[float]") -> pd.DataFrame:
    """For each level of each column of ``table``: its ``place`` among them, number of candidates, and mean gain.

    The interval, Student's over the candidates with that level, holds what the other settings and the seed vary, and is
    a fair one where candidates were drawn at random. ``effect`` is the mean less that of all candidates.
    """
    measured = gains.reindex(table.index).dropna()
    rows = []
    for name in table:
        for level, at_level in measured.groupby(table[name].loc[measured.index], observed=True):
            interval = mean_interval(at_level.to_numpy()[None], trained=False)
            place = table[name].cat.categories.get_loc(level)
            effect = interval.estimate - measured.mean()
            rows.append(
                (str(name), place, str(level), len(at_level), interval.estimate, interval.low, interval.high, effect)
            )
    return pd.DataFrame(rows, columns=COLUMNS)
