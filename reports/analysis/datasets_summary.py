"""What the page says first of a study on several data sets, never stronger than the statistics behind it."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import pandas as pd

from reports.analysis.arms import MIXED, without_optimised
from reports.analysis.comparison import Comparison
from reports.analysis.datasets import Across, tested
from reports.records.files import as_object
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM, Interval, holm, verdict
from reports.wording import listing, plural, quoted

MATTERS, EQUAL_SIZE, HOLDS, BEST, SURE = (
    "Does the choice of arm matter", "At equal parameters", "Does the order hold", "Best over all", "How sure",
)  # fmt: skip
CLOSE = 0.05
"""How far the parameters of an arm may be from the baseline's for the two to count as equal in size."""


def across_summary(study: Across) -> dict[str, str]:
    """Whether the choice of arm matters on each data set, also at equal size, whether the order is the same, which arm
    is best over all, and how sure that is; what is not known is left out."""
    answers = {
        MATTERS: " ".join(_on_each(study, list(map(_networks, study.sets.values())))),
        EQUAL_SIZE: _at_equal_size(study),
        HOLDS: " ".join(part for part in (study.order.sentence, _largest_change(study)) if part),
        BEST: _best(study),
        SURE: " ".join(part for part in (_seeds(study), _steps(study), _selected(study), tested(study)) if part),
    }
    return {question: answer for question, answer in answers.items() if answer}


def _networks(comparison: Comparison) -> pd.DataFrame:
    """The trained arms, the best first, without those whose results are optimised further; all methods without any."""
    arms = without_optimised(comparison.ranked_methods)
    arms = arms[arms[comparison.metric.mean].notna() & (arms["difference_limit"] != MIXED)]
    return arms[arms["trained"]] if arms["trained"].any() else arms


def _at_equal_size(study: Across) -> str:
    """The same of the arms that are as large as the baseline."""
    chosen = []
    for comparison in study.sets.values():
        arms = _networks(comparison)
        chosen.append(arms[(arms["parameters_ratio"] - 1).abs() <= CLOSE])
    text = " ".join(_on_each(study, chosen))
    return f"Among arms within {100 * CLOSE:.0f} % of the baseline's parameters: o{text[1:]}" if text else ""


def _on_each(study: Across, arms: Sequence[pd.DataFrame]) -> Iterator[str]:
    for name, comparison, some in zip(study.sets, study.sets.values(), arms, strict=True):
        if len(some) > 1:
            yield f"On {name}, {_differ(comparison, some)}."


def _differ(comparison: Comparison, arms: pd.DataFrame) -> str:
    """How many pairs of ``arms``, the best first, differ significantly, and the largest difference among them."""
    trained = dict(zip(arms["arm"].astype(str), arms["trained"].astype(bool), strict=True))
    found = {
        (first, second): comparison.blocks.difference(
            first, second, first_trained=trained[first], second_trained=trained[second]
        )
        for first, second in combinations(trained, 2)
    }
    adjusted = holm([interval.p_value for interval in found.values()])
    verdicts = {pair: verdict(i, float(p)) for (pair, i), p in zip(found.items(), adjusted, strict=True)}
    shown = [pair for pair, words in verdicts.items() if words in ("higher", "lower")]
    limits = sorted({interval.limit for interval in found.values() if interval.limit})
    noun = "networks" if all(trained.values()) else "methods"
    if shown:
        widest = max(shown, key=lambda pair: abs(found[pair].estimate))
        differ = "differs" if len(shown) == 1 else "differ"
        text = f"{len(shown)} of {plural(len(found), 'pair')} of {noun} {differ} significantly: "
        return text + _apart(comparison, widest, found[widest])
    widest = (str(arms["arm"].iloc[0]), str(arms["arm"].iloc[-1]))
    apart = f"in these trainings {_apart(comparison, widest, found[widest])}"
    if len(limits) and all(interval.limit for interval in found.values()):
        return f"no claim can be made ({listing(limits)}); {apart}"
    return f"no two of the {len(arms)} {noun} are shown to differ; {apart}"


def _apart(comparison: Comparison, pair: tuple[str, str], interval: Interval) -> str:
    """``early scored 0.058 Dice higher than late (95 % interval +0.031 to +0.085)``."""
    metric = comparison.metric
    way = "higher" if interval.estimate > 0 else "lower"
    unit = metric.unit or metric.title
    between = metric.between(interval.low, interval.high, signed=True)
    alone = ", over blocks alone" if interval.conditional else ""
    return (
        f"{quoted(pair[0])} scored {metric.number(abs(interval.estimate))} {unit} {way} than {quoted(pair[1])} "
        f"(95 % interval {between}{alone})"
    )


def _largest_change(study: Across) -> str:
    """The arm whose difference to the baseline changes most between two data sets, with the interval."""
    changes = study.interactions
    changes = changes[changes["arm"].isin(study.compared)].dropna(subset=["low"])
    if changes.empty:
        return ""
    row = changes.iloc[int(changes["change"].abs().to_numpy().argmax())]
    metric, way = study.metric, "higher" if row["change"] > 0 else "lower"
    baseline = next(iter(study.sets.values())).baseline
    alone = ", over blocks alone" if row["limit"] == "one seed" else ""
    return (
        f"The largest change is that of {quoted(row['arm'])}: its difference to {quoted(baseline)} is "
        f"{metric.number(abs(row['change']))} {metric.unit or metric.title} {way} on {row['first']} than on "
        f"{row['second']} (95 % interval {metric.between(row['low'], row['high'], signed=True)}{alone})."
    )


def _best(study: Across) -> str:
    """Who has the best mean rank over the data sets, which names no winner unless a test can be made."""
    ranks = study.ranks.sort_values(kind="stable")
    if len(ranks) < 2:
        return f"Fewer than two arms have a result on each of the {plural(len(study.means), 'data set')}."
    best = [quoted(arm) for arm in ranks.index[ranks == ranks.iloc[0]]]
    confirmed = not study.test.reason and study.test.p_value < 0.05
    reason = "the order is that of these trained networks" if confirmed else "no test confirms this order"
    verb = "has" if len(best) == 1 else "share"
    return (
        f"{listing(best)} {verb} the best mean rank over {plural(len(study.means), 'data set')}, of the {len(ranks)} "
        f"arms that each of them has; {reason}."
    )


def _seeds(study: Across) -> str:
    """How many seeds there are on each data set, and which can decide nothing for want of them."""
    counts = {}
    for name, comparison in study.sets.items():
        seeds = _networks(comparison)
        counts[name] = seeds["seeds"][seeds["trained"]]
    spans = [
        f"{name} {count.min()}" + ("" if count.min() == count.max() else f" to {count.max()}")
        for name, count in counts.items()
        if len(count)
    ]
    if not spans:
        return ""
    few = [name for name, count in counts.items() if len(count) and count.max() < SEEDS_FOR_A_CLAIM]
    text = f"Seeds of a network: {'; '.join(spans)}."
    if few:
        text += f" A claim needs {SEEDS_FOR_A_CLAIM}, so {listing(few)} cannot decide the order of two networks."
    return text


def _selected(study: Across) -> str:
    """On which data sets the figures are of the pairs on which choices were made."""
    chosen = [name for name, comparison in study.sets.items() if comparison.records.is_selection_split]
    return f"Figures are of the selection split, on which choices were made, on {listing(chosen)}." if chosen else ""


def _steps(study: Across) -> str:
    """For how many steps networks were trained, where that is not the same on every data set."""
    budgets = {name: as_object(comparison.records.definition.get("budget")) for name, comparison in study.sets.items()}
    steps = {name: budget["steps"] for name, budget in budgets.items() if isinstance(budget.get("steps"), int)}
    if len(set(steps.values())) < 2:
        return ""
    counts = "; ".join(f"{name} {count:,}" for name, count in steps.items())
    return f"Training was not equally long: steps on {counts}."
