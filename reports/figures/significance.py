"""The figures of all pairs of arms and of ranks, composed and captioned."""

from collections.abc import Iterator
from dataclasses import replace

from reports.analysis.comparison import Comparison
from reports.analysis.significance import Certainty, square
from reports.figures.captioned import CaptionedFigure
from reports.plots import significance as plots
from reports.plots.significance import MOST_ANNOTATED, MOST_IN_WORDS
from reports.plots.style import LABEL_WIDTH, LETTER, new_figure, style, with_colours
from reports.statistics.ranking import RESAMPLES
from reports.tables.significance import CONDITIONAL, tests
from reports.tables.table import caption
from reports.wording import listing, p_equals, plural

MOST_ARMS = 24
"""Arms in these figures, the best; more of them could not be told from each other."""


def significance_figures(certainty: Certainty) -> Iterator[CaptionedFigure]:
    """Significance matrix, critical-difference diagram and stability of the ranking."""
    for draw in (significance, critical_difference, stability):
        with style():
            yield draw(certainty)


def _drawn(comparison: Comparison, arms: list[str]) -> list[str]:
    """The first of ``arms``, and the baseline, which is of interest wherever it is."""
    return [arm for place, arm in enumerate(arms) if place < MOST_ARMS or arm == comparison.baseline]


def _left_out(drawn: list[str], every: int) -> str:
    return "" if len(drawn) == every else f" Drawn: the {MOST_ARMS} best of {every} arms, and the baseline."


def significance(certainty: Certainty) -> CaptionedFigure:
    """All differences as a matrix, in colour where they stand."""
    comparison, pairs = certainty.comparison, certainty.pairs
    captioned = CaptionedFigure(name="significance", title="Every arm against every other")
    compared = pairs[pairs["difference"].notna()]
    if compared.empty:
        return replace(captioned, caption="No two arms can be compared: nothing is drawn.")
    significant = compared.assign(significant=compared["verdict"].isin(["higher", "lower"]).astype(float))
    named = significant[significant["significant"] > 0]
    differences = square(compared, "difference", signed=True)
    arms = _drawn(comparison, list(differences.index))
    size, longest = len(arms), max(map(len, arms))
    figure = new_figure(0.4 + 0.34 * size + LETTER * min(longest, LABEL_WIDTH))
    mask = square(significant, "significant", signed=False).fillna(0) > 0
    plots.significance(figure.subplots(), differences.loc[arms, arms], mask.loc[arms, arms], comparison.metric)
    claimed = (
        f"{len(named)} of {plural(len(compared), 'difference')} are significant"
        if len(named)
        else "no difference is significant"
    )
    limits = sorted({limit.removeprefix("no claim: ") for limit in compared["verdict"] if limit.startswith("no claim")})
    unclaimed = f" No claim can be made about some of them: {listing(limits)}." if limits else ""
    unit = f" in units of {10.0**-comparison.metric.digits:g}" if MOST_IN_WORDS < size <= MOST_ANNOTATED else ""
    better = "blue where the row is better"
    if size <= MOST_ANNOTATED:
        sentence = (
            f"In colour where the difference is significant after Holm correction over all pairs of arms, {better}: "
        )
    else:
        sentence = f"Every difference is in colour, {better}; after Holm correction over all pairs of arms "
    text = f"Row minus column, mean {comparison.metric.label}{unit}. {sentence}{claimed}.{unclaimed}"
    text += _left_out(arms, len(differences))
    verdicts = "; ".join(f"{row['first']} {row['verdict']} than {row['second']}" for _, row in named.iterrows())
    alt = f"Matrix of differences between {plural(len(differences), 'arm')}. Significant: {verdicts or 'none of them'}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def critical_difference(certainty: Certainty) -> CaptionedFigure:
    """Mean ranks with bars over what the tests on ranks don't tell apart."""
    comparison = certainty.comparison
    captioned = CaptionedFigure(name="ranks", title="Critical-difference diagram")
    if not certainty.tested or certainty.friedman.reason:
        return replace(captioned, caption=f"{tests(certainty)} Nothing is drawn.")
    arms = with_colours(comparison.arms, comparison.baseline)
    colours = dict(zip(arms["arm"], arms["colour"], strict=True))
    ranks, p_values = certainty.ranks, certainty.wilcoxon
    shown = _drawn(comparison, list(ranks.sort_values(kind="stable").index))
    figure = new_figure(1.1 + 0.17 * len(shown))
    plots.critical_difference(
        figure.subplots(), ranks[shown], p_values.loc[shown, shown], {arm: colours[arm] for arm in shown}
    )
    result = certainty.friedman
    text = (
        f"Mean rank over {plural(result.blocks, 'block')}; a bar joins the arms that have a dot on it, between which "
        "Wilcoxon's signed-rank test finds no significant difference after Holm correction. Friedman: "
        f"{p_equals(result.p_value)}. Both are {CONDITIONAL}, so that they name no winner."
    )
    text += _left_out(shown, len(ranks))
    values = "; ".join(f"{arm} {rank:.1f}" for arm, rank in ranks.sort_values().items())
    alt = f"Critical-difference diagram. Mean ranks: {values}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def stability(certainty: Certainty) -> CaptionedFigure:
    """How often each arm takes each rank in the crossed bootstrap."""
    comparison, shares = certainty.comparison, certainty.stability
    captioned = CaptionedFigure(name="stability", title="Stability of the ranking")
    if shares.empty:
        return replace(captioned, caption="Fewer than two arms or two shared blocks: nothing is drawn.")
    order = list(certainty.ranks.sort_values(kind="stable").index)
    if (shares.max(axis=1) == 1).all():
        ranking = listing([f"{arm} {shares.loc[arm].idxmax()}" for arm in order])
        return replace(captioned, caption=f"Every arm takes the same rank in every draw: {ranking}. Nothing is drawn.")
    shown = order[:MOST_ARMS]
    figure = new_figure(0.9 + 0.28 * len(shown))
    plots.stability(figure.subplots(), shares.loc[shown].iloc[:, : MOST_ARMS + 2])
    text = (
        f"Percentage of {RESAMPLES:,} draws of blocks (for all arms together) and seeds (for each arm by itself) in "
        "which an arm takes a rank. It shows how stable the ranking is, and is not a test."
    )
    if (certainty.arms["seeds"][certainty.arms["trained"]] == 1).any():
        text += " Arms with one seed are drawn over blocks alone."
    text += f" Drawn: the {MOST_ARMS} best of {len(order)} arms." if len(order) > MOST_ARMS else ""
    shares_first = "; ".join(f"{arm} first in {100 * shares.loc[arm, 1]:.0f} %" for arm in order)
    return replace(
        captioned,
        caption=caption(text, comparison.records),
        alt=f"Heat map of ranks by arm: {shares_first}",
        figure=figure,
    )
