"""Tables of all pairs of arms, and of ranks with what speaks for them."""

import pandas as pd

from reports.analysis.significance import COLUMNS, Certainty
from reports.statistics.ranking import RESAMPLES, least_p
from reports.statistics.ranking_methods import TESTS, agreement
from reports.tables.table import Table, caption
from reports.wording import listing, number, p_equals, plural, probability

CONDITIONAL = "conditional on these trained networks: variation between trainings is not included"


def significance(certainty: Certainty) -> Table:
    """Every method against every other, corrected over all of them."""
    comparison, pairs = certainty.comparison, certainty.pairs
    metric = comparison.metric
    shown = pd.DataFrame(
        {
            "Arm": pairs["first"],
            "Against": pairs["second"],
            "Difference": [metric.number(value, signed=True) for value in pairs["difference"]],
            "95 % interval": [
                metric.between(low, high, signed=True) for low, high in zip(pairs["low"], pairs["high"], strict=True)
            ],
            "p (Holm)": pairs["p_holm"].map(probability),
            "Verdict": pairs["verdict"],
        }
    )
    family = int(pairs["p_value"].notna().sum())
    text = (
        f"Difference = arm minus the other, {metric.label}. Intervals are over blocks crossed with seeds, each at 95 % "
        f"by itself; p-values after Holm correction over all {plural(family, 'comparison')}, so that fewer are "
        "significant than against the baseline alone."
    )
    title = "Every arm against every other"
    return Table(
        title=title, caption=caption(text, comparison.records), numbers=pairs[list(COLUMNS)], shown=shown.astype(str)
    )


def ranks(certainty: Certainty) -> Table:
    """Mean rank of each arm over blocks, and how often it comes first when blocks and seeds are drawn again."""
    comparison, table, shares = certainty.comparison, certainty.table, certainty.stability
    columns = ["arm", "mean_rank", "share_first", "rank_low", "rank_high"]
    if table.empty or shares.empty:
        why = "Ranks need two arms and two blocks of pairs that all of them have."
        empty = pd.DataFrame(columns=columns)
        return Table(title="Ranks", caption=caption(why, comparison.records), numbers=empty, shown=empty)
    numbers = pd.DataFrame(
        {
            "arm": list(table),
            "mean_rank": certainty.ranks.to_numpy(),
            "share_first": shares[1].to_numpy(),
            "rank_low": [rank_quantile(row, 0.025) for _, row in shares.iterrows()],
            "rank_high": [rank_quantile(row, 0.975) for _, row in shares.iterrows()],
        }
    ).sort_values("mean_rank", kind="stable", ignore_index=True)
    shown = pd.DataFrame(
        {
            "Arm": numbers["arm"],
            "Mean rank": [number(rank, 2) for rank in numbers["mean_rank"]],
            "First in": [f"{share:.0%}".replace("%", " %") for share in numbers["share_first"]],
            "Middle 95 % of ranks": [
                f"{low} to {high}" for low, high in zip(numbers["rank_low"], numbers["rank_high"], strict=True)
            ],
        }
    )
    text = (
        f"Mean rank is over {plural(len(table), 'block')}, 1 the best. {tests(certainty)} First in, and the middle "
        f"95 % of ranks: of {RESAMPLES:,} crossed bootstrap draws of blocks and seeds; they show how stable the "
        "ranking is, and are not a test."
    )
    return Table(title="Ranks", caption=caption(text, comparison.records), numbers=numbers, shown=shown)


def robustness(certainty: Certainty) -> Table:
    """Each arm's rank by several ways of ranking, and how far these agree."""
    ranked, title = certainty.rankings, "Robustness of the ranking to the ranking method"
    if ranked.empty:
        return Table(title=title, caption="", numbers=pd.DataFrame(), shown=pd.DataFrame())
    numbers = ranked.rename_axis("arm").reset_index()
    shown = numbers.rename(columns={"arm": "Arm"}).astype(str)
    taus = {str(name): tau for name, tau in agreement(ranked).iloc[1:].items()}
    agreed = listing([f"{name.lower()} {number(tau, 2) if tau == tau else 'none'}" for name, tau in taus.items()])
    text = (
        f"Ranks of the arms over {plural(len(certainty.table), 'block')}, 1 the best, ties sharing the better rank. "
        f"Kendall's τ with the ranking by means: {agreed}."
    )
    if TESTS in ranked:
        text += " Significant wins: over how many arms an arm is significantly better, as in the table of all pairs."
    return Table(title=title, caption=caption(text, certainty.comparison.records), numbers=numbers, shown=shown)


def tests(certainty: Certainty) -> str:
    """What Friedman's and Wilcoxon's tests say, as what they are."""
    result = certainty.friedman
    if result.reason:
        return f"No Friedman test: {result.reason}."
    text = (
        f"Friedman: χ² = {number(result.statistic, 1)} with {result.arms - 1} degrees of freedom, "
        f"{p_equals(result.p_value)}, {CONDITIONAL}."
    )
    least = least_p(result.blocks, result.arms)
    if least >= 0.05:
        text += (
            f" With {plural(result.blocks, 'block')} and {result.arms} arms no two can be told apart by Wilcoxon's "
            f"test after Holm correction, whose smallest p-value here is {probability(least)}."
        )
    return text


def rank_quantile(shares: "pd.Series[float]", level: float) -> int:
    """The first rank at which the shares summed reach ``level``; ``shares`` are of the ranks from 1."""
    reached = shares.cumsum().to_numpy() >= level - 1e-12
    return 1 + int(reached.argmax())
