"""The sentences that open the page, never stronger than the statistics behind them."""

from collections.abc import Iterator
from math import isnan
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.files import EVALUATED
from reports.records.metric import Metric
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM
from reports.wording import listing, number, p_equals, plural

# By how much the spread of the determinants must be larger to be worth saying.
ROUGHER = 1.05
STRATEGIES = ("early", "middle", "late")
"""Names of strategies that say nothing without the word fusion."""


def summary(comparison: Comparison) -> tuple[str, str, str, str]:
    """The sentences that open the page: the best arm of all, the finding, its size with interval, its limits."""
    return _leader(comparison), _finding(comparison), _size(comparison), _limits(comparison)


def _leader(comparison: Comparison) -> str:
    """The arm with the best mean, whatever it is; empty where there are not two to choose from."""
    metric = comparison.metric
    known = comparison.evaluated.dropna(subset=[metric.name])
    if len(known) < 2:
        return ""
    place = (
        known[metric.name].to_numpy().argmax() if metric.higher_is_better else known[metric.name].to_numpy().argmin()
    )
    best = known.iloc[int(place)]
    best_way = "highest" if metric.higher_is_better else "lowest"
    what = "" if best["trained"] or not known["trained"].any() else ", which is not trained,"
    return (
        f"The {best_way} mean {metric.title} of all arms: {best['arm']} ({best['group']}){what} {_value(best, metric)}."
    )


def _with_groups(arms: pd.DataFrame, *, several: bool) -> str:
    """Names of arms, gathered by their group where the study has ``several``."""
    if not several:
        return listing(list(arms["arm"]))
    groups = arms.groupby("group", sort=False)
    unique = not arms.duplicated(["group", "family"]).any()
    return "; ".join(f"{listing(list(rows['family' if unique else 'arm']))} ({group})" for group, rows in groups)


def _others(comparison: Comparison) -> pd.DataFrame:
    """The arms that the finding speaks of: trained ones, or all where no other is trained."""
    compared = comparison.compared
    trained = compared[compared["trained"]]
    return trained if len(trained) else compared


def _baseline_evaluated(comparison: Comparison) -> bool:
    return comparison.baseline in set(comparison.evaluated["arm"])


def _finding(comparison: Comparison) -> str:
    baseline, others = comparison.baseline, _others(comparison)
    if comparison.evaluated.empty:
        return f"Nothing can be said yet: no trial has been evaluated on {comparison.records.split}."
    if not _baseline_evaluated(comparison):
        return f"No arm can be compared: the baseline, {baseline}, has no evaluated trial."
    if others.empty:
        return f"Nothing is compared: {baseline} is the only arm with an evaluated trial."
    return _sentence("; ".join(_said(comparison, others)))


def _said(comparison: Comparison, others: pd.DataFrame) -> Iterator[str]:
    """What the verdicts say, the strongest first."""
    baseline, metric = comparison.baseline, comparison.metric
    several = others["group"].nunique() > 1
    worse, better = (others[others["verdict"] == verdict] for verdict in (metric.worse, metric.better))
    same = others[others["verdict"] == "no difference shown"]
    silent = others[others["verdict"].str.startswith("no claim")]
    what = "trained arm" if bool(others["trained"].all()) else "arm"
    scores = f"{'an' if metric.better[0] in 'aeiou' else 'a'} {metric.better} mean {metric.title}"
    if len(worse):
        yield f"{baseline} has {scores} than {_with_groups(worse, several=several)}"
    if len(better):
        verb = "has" if len(better) == 1 else "have"
        yield f"{_with_groups(better, several=several)} {verb} {scores} than {baseline}"
    if len(same) and len(same) == len(others):
        one = f"the other {what}, {same['arm'].iloc[0]}"
        whom = one if len(same) == 1 else f"any of the {len(same)} other {what}s"
        yield f"no difference in mean {metric.title} is shown between {baseline} and {whom}"
    elif len(same):
        yield f"no difference is shown between {baseline} and {_with_groups(same, several=several)}"
    if len(silent):
        reasons = listing(sorted({str(limit) for limit in silent["difference_limit"]}))
        yield f"no claim can be made about {_number_of(silent, others, what)} against {baseline} ({reasons})"


def _number_of(some: pd.DataFrame, every: pd.DataFrame, what: str) -> str:
    if len(some) == 1:
        return str(some["arm"].iloc[0])
    return (
        f"the {len(some)} other {what}s"
        if len(some) == len(every)
        else f"{len(some)} of the {len(every)} other {what}s"
    )


def _size(comparison: Comparison) -> str:
    evaluated, others = comparison.evaluated, _others(comparison)
    if evaluated.empty:
        return "There is no figure to give."
    if not _baseline_evaluated(comparison) or others.empty:
        return _sentence("; ".join(_score(row, comparison.metric) for _, row in evaluated.iterrows()))
    named = others[others["verdict"].isin(["higher", "lower"])]
    given = (named if len(named) else others).dropna(subset=["difference"])
    metric = comparison.metric
    base = _score(evaluated[evaluated["arm"] == comparison.baseline].iloc[0], metric)
    if given.empty:
        return _sentence(base)
    largest = given.iloc[int(given["difference"].abs().to_numpy().argmax())]
    family = plural(int(comparison.compared["p_value"].notna().sum()), "comparison")
    what = "the largest significant difference" if len(named) else "the largest difference observed"
    interval = metric.between(largest["difference_low"], largest["difference_high"], signed=True)
    p_value = "" if isnan(largest["p_holm"]) else f", Holm-adjusted {p_equals(largest['p_holm'])} over {family}"
    conditional = ", over blocks alone" if largest["difference_limit"] == "one seed" else ""
    return f"{_apart(largest, comparison)}, {what} (95 % interval {interval}{conditional}{p_value}). {_sentence(base)}"


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
    return text[:1].upper() + text[1:] if name != row["arm"] else text


def in_words(row: "pd.Series[Any]") -> str:
    """An arm as a sentence names it: a fusion strategy as such, with what it is matched in."""
    if row["family"] not in STRATEGIES:
        return str(row["arm"])
    matched = str(row["group"]).removeprefix("matched by ")
    return f"{row['family']} fusion" + (f", matched in {matched}," if matched != row["group"] else "")


def _score(row: "pd.Series[float]", metric: Metric) -> str:
    mean, over_blocks = row[metric.name], row[f"{metric.name}_blocks"]
    if isnan(mean):
        return f"{row['arm']} has no {metric.title}"
    interval = metric.between(row[f"{metric.name}_low"], row[f"{metric.name}_high"])
    if not abs(mean - over_blocks) > metric.resolution:
        return f"{row['arm']} scored {metric.amount(mean)} (95 % interval {interval})"
    blocks = f"{metric.number(over_blocks)} over blocks (95 % interval {interval})"
    return f"{row['arm']} scored {metric.amount(mean)} over pairs, {blocks}"


def _value(row: "pd.Series[float]", metric: Metric) -> str:
    """The mean of an arm over pairs, with the interval of that over blocks."""
    return _score(row, metric).partition(" scored ")[2]


def _limits(comparison: Comparison) -> str:
    records, evaluated = comparison.records, comparison.evaluated
    trials = records.trials
    done = int((trials["state"] == EVALUATED).sum())
    parts = []
    if len(evaluated):
        trained = evaluated[evaluated["trained"]]
        blocks, pairs = int(evaluated["blocks"].max()), int(evaluated["pairs"].max())
        persons = int(evaluated["persons"].max())
        weighed = (
            f", connected: left out one by one, its {persons} persons give a conservative interval" if persons else ""
        )
        parts.append(f"{plural(blocks, 'block')} of persons ({plural(pairs, 'pair')}){weighed}")
        parts.append(_seeds(trained) if len(trained) else "no trained arm")
    parts.append(f"{records.dataset.get('title') or records.dataset.get('name') or 'a data set that is not named'}")
    if records.dataset.get("synthetic"):
        parts.append("synthetic images, not scans of people")
    budget = records.definition.get("budget")
    if isinstance(budget, dict) and budget.get("name"):
        parts.append(f"budget {budget['name']}")
    note = str(records.definition.get("split_note") or "").rstrip(".")
    selection = ", the selection split" if records.is_selection_split else ""
    parts.append(f"split {records.split}{selection}" + (f" ({note})" if note else ""))
    if rougher := _rougher(comparison):
        parts.append(rougher)
    if done < len(trials):
        parts.append(f"only {done} of {plural(len(trials), 'planned trial')} evaluated")
        silent = comparison.arms[comparison.arms["seeds"] == 0]
        if len(silent) and len(evaluated):
            parts.append(f"no result for {_with_groups(silent, several=silent['group'].nunique() > 1)}")
    return f"Limits: {'; '.join(parts)}."


def _rougher(comparison: Comparison) -> str:
    """Whether a higher Dice comes with rougher fields: Dice alone says little, since less regularisation raises it."""
    if comparison.metric.name != "dice":
        return ""
    others = _others(comparison)
    base = comparison.arms[comparison.arms["arm"] == comparison.baseline].iloc[0]
    higher, lower = (others[others["verdict"] == verdict] for verdict in ("higher", "lower"))
    pairs = [(row, base) for _, row in higher.iterrows()] + [(base, row) for _, row in lower.iterrows()]
    said = [
        f"{winner['arm']} over {loser['arm']} (SD log J {number(winner['sd_log_jacobian'])} against "
        f"{number(loser['sd_log_jacobian'])})"
        for winner, loser in pairs
        if winner["sd_log_jacobian"] > ROUGHER * loser["sd_log_jacobian"]
    ]
    return f"a higher Dice comes with rougher fields in {listing(said)}" if said else ""


def _seeds(trained: pd.DataFrame) -> str:
    fewest, most = int(trained["seeds"].min()), int(trained["seeds"].max())
    seeds = plural(most, "seed") if fewest == most else f"{fewest} to {plural(most, 'seed')}"
    short = f", where a claim needs {SEEDS_FOR_A_CLAIM}" if fewest < SEEDS_FOR_A_CLAIM else ""
    return f"{seeds} an arm{short}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text.startswith("no ") else f"{text}."
