"""The four answers that open the page, never stronger than the statistics behind them."""

from collections.abc import Iterator
from math import isnan
from typing import Any

import pandas as pd

from reports.analysis.comparison import MATCHED, Comparison
from reports.analysis.placement import fusion_in_words, plan_of
from reports.records.metric import Metric
from reports.statistics.equivalence import LEVEL_WITH
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM
from reports.wording import count, listing, number, p_equals, plural, share, significant

# By how much the spread of the determinants must be larger to be worth saying.
ROUGHER = 1.05
STRATEGIES = ("early", "middle", "late")
"""Names of strategies that say nothing without the word fusion."""
MOST_NAMED = 6
"""More arms than these are counted and not named."""
WHICH, SURE, WHERE, PRICE = "Which arm", "How sure", "Where it fuses", "At what price"


def summary(comparison: Comparison) -> dict[str, str]:
    """Which arm is best and by how much, how sure that is, where it fuses, at what price; what is not known is left
    out."""
    answers = {
        WHICH: _which(comparison),
        SURE: " ".join(part for part in (_finding(comparison), _size(comparison), _detectable(comparison)) if part),
        WHERE: _where(comparison),
        PRICE: _price(comparison),
    }
    return {question: answer for question, answer in answers.items() if answer}


def _which(comparison: Comparison) -> str:
    """The best arm of all, whatever it is, and how far it is from the baseline, or from the next where it is that."""
    metric, ranked = comparison.metric, comparison.ranked
    if comparison.evaluated.empty:
        return f"Nothing can be said yet: no trial has been evaluated on {comparison.records.split}."
    if ranked.empty:
        return f"No arm has a {metric.title}."
    best = ranked.iloc[0]
    if len(ranked) == 1:
        return f"{best['arm']} is the only arm with a result: mean {metric.title} {_score(best, metric)}."
    way = "highest" if metric.higher_is_better else "lowest"
    text = (
        f"{_subject(best)}{_kind(best, ranked)} has the {way} mean {metric.title} of the {len(ranked)} arms, "
        f"{_score(best, metric)}"
    )
    return f"{text}{_lead(best, ranked, comparison)}.{_best_trained(best, ranked, metric)}"


def _kind(best: "pd.Series[Any]", ranked: pd.DataFrame) -> str:
    """Of which group the best arm is, where there are several, and whether it is trained, where others are."""
    group = str(best["group"])
    named = ranked["group"].nunique() > 1 and not group.startswith(MATCHED) and group not in str(best["arm"])
    remarks = [group] if named else []
    remarks += ["not trained"] if not best["trained"] and ranked["trained"].any() else []
    return f" ({', '.join(remarks)})" if remarks else ""


def _lead(best: "pd.Series[Any]", ranked: pd.DataFrame, comparison: Comparison) -> str:
    metric = comparison.metric
    more = "more" if metric.higher_is_better else "less"
    if best["arm"] == comparison.baseline:
        second = ranked.iloc[1]
        means = best[metric.mean], second[metric.mean]
        apart = metric.number(abs(means[0] - means[1]))
        return f": {apart} {more} than the next, {second['arm']}, at {metric.number(means[1])}"
    base = ranked[ranked["arm"] == comparison.baseline]
    if isnan(best["difference"]) or base.empty:
        return ""
    interval = metric.between(best["difference_low"], best["difference_high"], signed=True)
    return (
        f": {metric.number(abs(best['difference']))} {more} than the baseline, {comparison.baseline}, at "
        f"{metric.number(base.iloc[0][metric.mean])} (95 % interval of the difference {interval})"
    )


def _best_trained(best: "pd.Series[Any]", ranked: pd.DataFrame, metric: Metric) -> str:
    trained = ranked[ranked["trained"]]
    if best["trained"] or trained.empty:
        return ""
    return f" The best trained arm is {trained.iloc[0]['arm']}, {metric.number(trained.iloc[0][metric.mean])}."


def _score(row: "pd.Series[Any]", metric: Metric) -> str:
    """``0.706 (95 % interval 0.685 to 0.727)``, over blocks, with the unit if there is one."""
    interval = metric.between(row[f"{metric.name}_low"], row[f"{metric.name}_high"])
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{metric.number(row[metric.mean])}{unit} (95 % interval {interval})"


def _named(arms: pd.DataFrame, *, several: bool) -> str:
    """Names of arms, gathered by their group where the study has ``several``; a count where they are many."""
    if len(arms) > MOST_NAMED:
        return plural(len(arms), "arm")
    if not several:
        return listing(list(arms["arm"]))
    groups = arms.groupby("group", sort=False)
    unique = not arms.duplicated(["group", "family"]).any()
    return "; ".join(f"{listing(list(rows['family' if unique else 'arm']))} ({group})" for group, rows in groups)


def _others(comparison: Comparison) -> pd.DataFrame:
    """The arms that the finding speaks of: all methods with a result but the baseline."""
    return comparison.methods[comparison.methods["arm"] != comparison.baseline]


def _finding(comparison: Comparison) -> str:
    baseline, others = comparison.baseline, _others(comparison)
    if comparison.evaluated.empty:
        return ""
    if baseline not in set(comparison.evaluated["arm"]):
        return f"No arm can be compared: the baseline, {baseline}, has no evaluated trial."
    if others.empty:
        untrained = comparison.compared["arm"]
        beside = f" beside {listing(list(untrained))}" if len(untrained) else ""
        return f"Nothing is compared: {baseline} is the only arm with an evaluated trial{beside}."
    return _sentence("; ".join(_verdicts(comparison, others)))


def _verdicts(comparison: Comparison, others: pd.DataFrame) -> Iterator[str]:
    """What the verdicts say, the strongest first."""
    baseline, metric = comparison.baseline, comparison.metric
    several = others["group"].nunique() > 1
    worse, better = (others[others["verdict"] == verdict] for verdict in (metric.worse, metric.better))
    same, level = (others[others["verdict"] == verdict] for verdict in ("no difference shown", LEVEL_WITH))
    without_claim = others[others["verdict"].str.startswith("no claim")]
    noun = "trained arm" if bool(others["trained"].all()) else "arm"
    scores = f"{'an' if metric.better[0] in 'aeiou' else 'a'} {metric.better} mean {metric.title}"
    if len(worse):
        yield f"{baseline} has {scores} than {_named(worse, several=several)}"
    if len(better):
        verb = "has" if len(better) == 1 else "have"
        yield f"{_named(better, several=several)} {verb} {scores} than {baseline}"
    if len(level):
        verb = "is" if len(level) == 1 else "are"
        margin = metric.amount(comparison.margin or 0.0)
        yield f"{_named(level, several=several)} {verb} level with {baseline}, within ±{margin}"
    if len(same) and len(same) == len(others):
        single = f"the other {noun}, {same['arm'].iloc[0]}"
        whom = single if len(same) == 1 else f"any of the {len(same)} other {noun}s"
        yield f"no difference in mean {metric.title} is shown between {baseline} and {whom}"
    elif len(same):
        yield f"no difference is shown between {baseline} and {_named(same, several=several)}"
    if len(without_claim):
        reasons = listing(sorted({str(limit) for limit in without_claim["difference_limit"]}))
        yield f"no claim can be made about {_number_of(without_claim, others, noun)} against {baseline} ({reasons})"


def _number_of(some: pd.DataFrame, every: pd.DataFrame, noun: str) -> str:
    if len(some) == 1:
        return str(some["arm"].iloc[0])
    whole = f"the {len(some)} other {noun}s"
    return whole if len(some) == len(every) else f"{len(some)} of the {len(every)} other {noun}s"


def _size(comparison: Comparison) -> str:
    """The largest difference to the baseline, among the significant ones where there are any."""
    metric, others = comparison.metric, _others(comparison)
    named = others[others["verdict"].isin(["higher", "lower"])]
    given = (named if len(named) else others).dropna(subset=["difference"])
    if given.empty:
        return ""
    largest = given.iloc[int(given["difference"].abs().to_numpy().argmax())]
    if largest["arm"] == comparison.ranked.iloc[0]["arm"] and isnan(largest["p_holm"]):
        return ""  # the first answer has it
    family = plural(int(comparison.compared["p_value"].notna().sum()), "comparison")
    phrase = "the largest significant difference" if len(named) else "the largest difference observed"
    interval = metric.between(largest["difference_low"], largest["difference_high"], signed=True)
    p_value = "" if isnan(largest["p_holm"]) else f", Holm-adjusted {p_equals(largest['p_holm'])} over {family}"
    conditional = ", over blocks alone" if largest["difference_limit"] == "one seed" else ""
    return f"{_apart(largest, comparison)}, {phrase} (95 % interval {interval}{conditional}{p_value})."


def _apart(row: "pd.Series[Any]", comparison: Comparison) -> str:
    """How an arm scored beside the baseline: ``Early fusion, matched in parameters, scored 0.026 Dice lower than
    AutoFuse``."""
    metric, name = comparison.metric, in_words(row)
    way = "higher" if row["difference"] > 0 else "lower"
    amount = metric.number(abs(row["difference"]))
    if metric.unit:
        text = f"{name} had a mean {metric.title} {amount} {metric.unit} {way} than {comparison.baseline}"
    else:
        text = f"{name} scored {amount} {metric.title} {way} than {comparison.baseline}"
    return _capital(text) if name != row["arm"] else text


def in_words(row: "pd.Series[Any]") -> str:
    """An arm as a sentence names it: a fusion strategy as such, with what it is matched in."""
    matched = str(row["group"]).removeprefix(MATCHED)
    if row["family"] not in STRATEGIES or (matched == row["group"] and row["arm"] != row["family"]):
        return str(row["arm"])
    return f"{row['family']} fusion" + (f", matched in {matched}," if matched != row["group"] else "")


def _detectable(comparison: Comparison) -> str:
    """The smallest differences that the design could have shown, and why there is no claim where there is none."""
    others, metric = _others(comparison), comparison.metric
    detectable = others["detectable"].dropna()
    limits = set(others["difference_limit"])
    if detectable.empty:
        few = bool(limits & {"one seed", "2 seeds"})
        return f"A claim needs {SEEDS_FOR_A_CLAIM} seeds an arm." if few else ""
    low, high = metric.number(detectable.min()), metric.number(detectable.max())
    span = low if low == high else f"{low} to {high}"
    by_arm = "" if low == high else ", depending on the arm,"
    unit = metric.unit or metric.title
    return f"A true difference smaller than {span} {unit}{by_arm} would probably have gone unnoticed."


def _where(comparison: Comparison) -> str:
    """Where the best arm fuses, or the best of those that do."""
    plans = ((row, plan_of(comparison, str(row["arm"]))) for _, row in comparison.ranked.iterrows())
    row, plan = next(((row, plan) for row, plan in plans if plan is not None), (None, None))
    if row is None or plan is None:
        return ""
    best, metric = comparison.ranked.iloc[0], comparison.metric
    whose = "" if row["arm"] == best["arm"] else (
        f"{best['arm']} is not a fusion network; the best of those, {row['arm']} ({metric.number(row[metric.mean])}), "
        "has "
    )  # fmt: skip
    text = f"{whose}{fusion_in_words(plan)} (plan {plan})."
    return text if whose else _capital(text)


def _price(comparison: Comparison) -> str:
    """Size, time, memory and regularity of the best arm, beside the baseline's where that is another."""
    if comparison.ranked.empty:
        return ""
    best = comparison.ranked.iloc[0]
    parts = [*_resources(best), *_fields(best, comparison)]
    return f"{'; '.join(parts)}." if parts else ""


def _resources(best: "pd.Series[Any]") -> Iterator[str]:
    if best["trained"] and not isnan(best["parameters"]):
        ratio = best["parameters_ratio"]
        beside = "" if isnan(ratio) or best["verdict"] == "baseline" else f" ({number(ratio, 2)} of the baseline's)"
        yield f"{count(best['parameters'])} parameters{beside} and {significant(best['flops'] / 1e9)} GFLOPs"
    if isnan(best["latency_s"]):
        yield "latency and memory not measured"
    else:
        memory = "" if isnan(best["peak_memory_mib"]) else f" and {count(best['peak_memory_mib'])} MiB"
        yield f"{significant(best['latency_s'])} s{memory} to register a pair"


def _fields(best: "pd.Series[Any]", comparison: Comparison) -> Iterator[str]:
    """How regular the fields are: Dice alone says little, since less regularisation raises it."""
    rough = best["sd_log_jacobian"]
    if isnan(rough):
        return
    base = comparison.arms[comparison.arms["arm"] == comparison.baseline].iloc[0]
    beside = ""
    if best["arm"] != base["arm"] and not isnan(base["sd_log_jacobian"]):
        rougher = rough > ROUGHER * base["sd_log_jacobian"]
        beside = f", {'rougher than' if rougher else 'against'} the baseline's {number(base['sd_log_jacobian'])}"
    yield f"folding fraction {share(best['folding_fraction'])}, SD log J {number(rough)}{beside}"


def _subject(row: "pd.Series[Any]") -> str:
    """An arm at the beginning of a sentence: its label as it is, a strategy in capitals."""
    name = in_words(row)
    return name if name == row["arm"] else _capital(name)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _sentence(text: str) -> str:
    return f"{_capital(text)}." if text.startswith("no ") else f"{text}."
