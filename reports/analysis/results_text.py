"""The paragraph of a paper's results section, written from the statistics and never stronger than they are."""

from collections.abc import Iterator

from reports.analysis.comparison import Comparison
from reports.analysis.significance import Certainty
from reports.analysis.summary import in_words
from reports.statistics.equivalence import LEVEL_WITH
from reports.statistics.ranking import RESAMPLES
from reports.wording import listing, number, p_equals, plural


def results_text(certainty: Certainty) -> tuple[str, ...]:
    """Paragraphs: what was compared and how, what each arm scored, what differs, how stable the ranking is.

    Empty where no arm has a result.
    """
    comparison = certainty.comparison
    if comparison.ranked.empty:
        return ()
    paragraphs = (_methods(comparison), _scores(comparison), _differences(comparison), _ranking(certainty))
    return tuple(" ".join(sentences) for sentences in map(list, paragraphs) if sentences)


def _methods(comparison: Comparison) -> Iterator[str]:
    records, arms = comparison.records, comparison.evaluated
    title = str(records.dataset.get("title") or records.dataset.get("name") or "one data set")
    pairs, blocks = int(arms["pairs"].max()), int(arms["blocks"].max())
    split = f"the {records.split} split" + (", on which choices had been made" if records.is_selection_split else "")
    yield (
        f"{plural(len(arms), 'method').capitalize()} were compared on {plural(pairs, 'image pair')} of {title} "
        f"({split}), in {plural(blocks, 'block')} of pairs that share subjects."
    )
    trained = comparison.evaluated[comparison.evaluated["trained"]]
    if len(trained):
        fewest, most = int(trained["seeds"].min()), int(trained["seeds"].max())
        seeds = f"{fewest} to {plural(most, 'seed')}" if fewest != most else plural(most, "seed")
        yield f"Networks were trained with {seeds} each."
    yield (
        "Means are over blocks; 95 % confidence intervals treat seeds as crossed with blocks (Satterthwaite's degrees "
        "of freedom), and p-values are Holm-adjusted."
    )


def _scores(comparison: Comparison) -> Iterator[str]:
    metric = comparison.metric
    unit = f" {metric.unit}" if metric.unit else ""
    scores = [
        f"{row['arm']} {metric.number(row[metric.mean])}{unit} "
        f"(95 % CI {metric.between(row[f'{metric.name}_low'], row[f'{metric.name}_high'])})"
        for _, row in comparison.ranked.iterrows()
    ]
    yield f"Mean {metric.title}, best first: {'; '.join(scores)}."
    if (comparison.ranked["limit"] == "one seed").any():
        yield "Intervals of networks with one seed are conditional on that training."


def _differences(comparison: Comparison) -> Iterator[str]:
    """Significant differences with their numbers, equivalences, and what was not shown."""
    metric, compared = comparison.metric, comparison.compared
    for verdict in ("higher", "lower"):
        rows = compared[compared["verdict"] == verdict]
        parts = [
            f"{in_words(row)} ({metric.number(row['difference'], signed=True)}, 95 % CI "
            f"{metric.between(row['difference_low'], row['difference_high'], signed=True)}, "
            f"{p_equals(row['p_holm'])})"
            for _, row in rows.iterrows()
        ]
        if parts:
            base = f"that of {comparison.baseline}"
            yield f"Mean {metric.title} was significantly {verdict} than {base} for {listing(parts)}."
    level = [str(arm) for arm in compared["arm"][compared["verdict"] == LEVEL_WITH]]
    if level:
        margin = metric.amount(comparison.margin or 0.0)
        verb = "was" if len(level) == 1 else "were"
        yield f"{listing(level)} {verb} equivalent to {comparison.baseline} within ±{margin} (two one-sided tests)."
    same = [str(arm) for arm in compared["arm"][compared["verdict"] == "no difference shown"]]
    if same:
        yield f"No difference to {comparison.baseline} was shown for {listing(same)}, which does not show equality."
    silent = compared[compared["verdict"].str.startswith("no claim")]
    if len(silent):
        reasons = listing(sorted({verdict.removeprefix("no claim: ") for verdict in silent["verdict"]}))
        yield f"No claim is made about {plural(len(silent), 'other method')} ({reasons})."


def _ranking(certainty: Certainty) -> Iterator[str]:
    shares, test = certainty.stability, certainty.friedman
    if not test.reason:
        yield (
            f"Friedman's test over {plural(test.blocks, 'block')} gave χ² = {number(test.statistic, 1)} "
            f"({test.arms - 1} degrees of freedom), {p_equals(test.p_value)}, conditional on the trained networks."
        )
    if not shares.empty:
        in_first_place = dict(zip(shares.index.astype(str), shares[1].astype(float), strict=True))
        first = max(in_first_place, key=lambda arm: in_first_place[arm])
        yield (
            f"In {RESAMPLES:,} bootstrap draws of blocks and seeds, {first} ranked first in "
            f"{100 * in_first_place[first]:.0f} %."
        )
