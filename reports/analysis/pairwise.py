"""Every arm against every other: the interval of each difference, corrected over all of them."""

from itertools import combinations

import pandas as pd

from reports.analysis.arms import MIXED, mixes, versions_of
from reports.analysis.comparison import Comparison
from reports.statistics import intervals as statistics

COLUMNS = (
    "first", "second", "difference", "low", "high", "effect_size", "blocks", "seeds", "p_value", "p_holm", "verdict",
)  # fmt: skip


def pairwise(comparison: Comparison) -> pd.DataFrame:
    """A row for each two trained arms: first minus second with its interval and what may be said of it.

    Seeds are crossed with blocks as against the baseline, but Holm's correction is over all pairs of arms, so that
    fewer differences stand.
    """
    arms = comparison.trained
    trained = dict(zip(arms["arm"], arms["trained"], strict=True))
    versions = versions_of(comparison.records)
    rows = []
    for first, second in combinations(arms["arm"], 2):
        one, other = comparison.blocks.means([first, second])
        interval = statistics.Interval(estimate=float("nan"), limit=MIXED)
        if not mixes(versions[first], versions[second]):
            interval = comparison.blocks.difference(
                first, second, first_trained=bool(trained[first]), second_trained=bool(trained[second])
            )
        effect = statistics.paired_effect(one, other)
        rows.append({"first": first, "second": second, "interval": interval, "effect_size": effect})
    adjusted = statistics.holm([row["interval"].p_value for row in rows])
    return pd.DataFrame(
        [
            {
                **{name: row[name] for name in ("first", "second", "effect_size")},
                "difference": row["interval"].estimate,
                "low": row["interval"].low,
                "high": row["interval"].high,
                "blocks": row["interval"].blocks,
                "seeds": row["interval"].seeds,
                "p_value": row["interval"].p_value,
                "p_holm": p_holm,
                "verdict": statistics.verdict(row["interval"], p_holm),
            }
            for row, p_holm in zip(rows, adjusted, strict=True)
        ],
        columns=list(COLUMNS),
    )


def square(pairs: pd.DataFrame, column: str, *, signed: bool) -> pd.DataFrame:
    """A column of ``pairwise`` as a table of arms by arms: row minus column where ``signed``, else both ways alike."""
    there = pairs.pivot(index="first", columns="second", values=column)
    back = there.T * (-1 if signed else 1)
    arms = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    return there.reindex(index=arms, columns=arms).combine_first(back.reindex(index=arms, columns=arms)).loc[arms, arms]
