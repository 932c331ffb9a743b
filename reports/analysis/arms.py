"""What is known of each arm, in one row: its scores with their intervals, and its difference to the baseline."""

import warnings
from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from reports.records.files import EVALUATED
from reports.records.metric import METRICS_BY_NAME, Metric
from reports.records.study import StudyRecords
from reports.records.trial import COST
from reports.statistics import intervals as statistics
from reports.statistics.blocks import Blocks
from reports.statistics.equivalence import detectable_difference, equivalence, with_equivalence

MIXED = "mixed versions"
SIZES = ("parameters", "flops")
"""What only networks have."""


def summaries(records: StudyRecords, metric: Metric) -> pd.DataFrame:
    """A row for each planned arm, in their order; ``limit`` is of the interval of ``metric``."""
    pairs = records.pairs
    # What no trial has measured needs no table of its own.
    names = dict.fromkeys([*METRICS_BY_NAME, metric.name])
    tables = {name: Blocks(pairs, name) for name in names if len(pairs) and pairs[name].notna().any()}
    arms = _facts(records)
    scores = [_scores(tables, arm, metric, trained=arms["trained"][arm]) for arm in arms.index]
    return pd.concat([arms.reset_index(drop=True), pd.DataFrame(scores)], axis=1)


def differences(
    records: StudyRecords, arms: pd.DataFrame, baseline: str, metric: Metric, *, margin: float | None = None
) -> pd.DataFrame:
    """Difference of each arm to the baseline, and its equivalence within ``margin``.

    Holm's family is every comparison that has a p-value.
    """
    table = Blocks(records.pairs, metric.name) if len(records.pairs) else None
    trained = dict(zip(arms["arm"], arms["trained"], strict=True))
    has_result = set(arms["arm"][arms["seeds"] > 0])
    versions = versions_of(records)
    rows: list[dict[str, Any]] = []
    for arm in arms["arm"]:
        limit = _incomparable(arm, baseline, has_result, versions)
        if arm == baseline or limit or table is None:
            rows.append({"interval": statistics.Interval(estimate=nan, limit=limit)})
            continue
        first, second = table.means([arm, baseline])
        interval = table.difference(
            arm, baseline, first_trained=bool(trained[arm]), second_trained=bool(trained[baseline])
        )
        better = statistics.blocks_better(first, second, higher_is_better=metric.higher_is_better)
        rows.append({"interval": interval, "effect": statistics.paired_effect(first, second), "better": better})
    intervals = [row["interval"] for row in rows]
    adjusted = statistics.holm([interval.p_value for interval in intervals])
    family = int(np.sum(~np.isnan(adjusted)))
    equivalent = equivalence(intervals, margin)
    return pd.DataFrame(
        _difference_row(row, p_holm, p_equivalence, family=family, is_baseline=arm == baseline)
        for arm, row, p_holm, p_equivalence in zip(arms["arm"], rows, adjusted, equivalent, strict=True)
    )


def versions_of(records: StudyRecords) -> dict[str, frozenset[str]]:
    """The versions of numerics and of the data by arm, as far as its evaluated trials say them."""
    trials = records.trials[records.trials["state"] == EVALUATED]
    versions = {str(arm): frozenset[str]() for arm in records.arms["arm"]}
    for column in ("numerics", "fingerprint"):
        for arm, value in trials[["arm", column]].dropna().itertuples(index=False) if column in trials else ():
            versions[arm] |= {f"{column} {value}"}
    return versions


def mixes(*versions: frozenset[str]) -> bool:
    """Whether trials of these versions must not be compared: several numerics, or several fingerprints of the data."""
    every = frozenset[str]().union(*versions)
    return any(sum(version.startswith(f"{column} ") for version in every) > 1 for column in ("numerics", "fingerprint"))


def _incomparable(arm: str, baseline: str, has_result: set[str], versions: Mapping[str, frozenset[str]]) -> str:
    """Why an arm can't be compared with the baseline, if so."""
    if arm not in has_result:
        return "no result"
    if baseline not in has_result:
        return "no baseline"
    return MIXED if mixes(versions[arm], versions[baseline]) else ""


def _difference_row(
    row: Mapping[str, Any], p_holm: float, p_equivalence: float, *, family: int, is_baseline: bool
) -> dict[str, Any]:
    interval = row["interval"]
    verdict = with_equivalence(statistics.verdict(interval, p_holm), p_equivalence)
    return {
        "difference": interval.estimate,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "difference_se": interval.standard_error,
        "difference_df": interval.degrees_of_freedom,
        "difference_limit": interval.limit,
        "effect_size": row.get("effect", nan),
        "blocks_better": row.get("better", nan),
        "blocks_shared": interval.blocks if interval.blocks else nan,
        "p_value": interval.p_value,
        "p_holm": p_holm,
        "detectable": detectable_difference(interval, comparisons=family),
        "p_equivalence": p_equivalence,
        "verdict": "baseline" if is_baseline else verdict,
    }


def _facts(records: StudyRecords) -> pd.DataFrame:
    """What the trials say of each arm beside its scores: one row per arm, in the order of the study."""
    trials, order = records.trials, list(records.arms["arm"])
    by_arm = trials.groupby("arm", sort=False)
    costs = [f"cost_{name}" for name in COST]
    facts = by_arm[["canonical_plan"]].first()
    facts["trained"] = _trained(trials)
    facts["seeds"] = by_arm["state"].agg(lambda states: int((states == EVALUATED).sum()))
    facts["seeds_planned"] = by_arm.size()
    evaluated = records.pairs.groupby("arm", sort=False) if len(records.pairs) else None
    for name, column in (("pairs", "pair"), ("blocks", "block")):
        counts = evaluated[column].nunique() if evaluated is not None else pd.Series(dtype=int)
        facts[name] = counts.reindex(facts.index, fill_value=0)
    failed = records.pairs[records.pairs["failure"] != ""] if len(records.pairs) else records.pairs
    facts["failed_pairs"] = failed.groupby("arm").size().reindex(facts.index, fill_value=0) if len(failed) else 0
    facts["evaluations"] = evaluated.size().reindex(facts.index, fill_value=0) if evaluated is not None else 0
    measured = trials[["parameters", "flops", "training_s", "step_s", *costs]].apply(pd.to_numeric, errors="coerce")
    numbers = measured.astype(float).groupby(trials["arm"], sort=False)
    facts[["parameters", "flops"]] = numbers[["parameters", "flops"]].first()
    facts[["training_s", "step_s"]] = numbers[["training_s", "step_s"]].mean()
    facts[list(COST)] = numbers[costs].first().set_axis(list(COST), axis=1)
    return facts.reindex(order)


def _trained(trials: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each arm is trained; a trial that failed still says how large it is, one that is missing says nothing."""
    measured = (
        trials[trials["parameters"].notna()]
        .groupby("arm")["trained"]
        .agg(lambda trained: bool(trained.astype(bool).any()))
    )
    planned = trials.groupby("arm", sort=False)["trained"].agg(lambda trained: bool(trained.astype(bool).any()))
    return measured.reindex(planned.index).fillna(planned).astype(bool)


def _scores(tables: Mapping[str, Blocks], arm: str, metric: Metric, *, trained: bool) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in dict.fromkeys([*METRICS_BY_NAME, metric.name]):
        values = tables[name].of_seeds(arm) if name in tables else np.empty((0, 0))
        means = _over_pairs(np.nanmean, values)
        interval = statistics.Interval(estimate=nan, limit="no values" if len(means) else "no result")
        if values.size and not np.isnan(values).all():
            interval = tables[name].mean(arm, trained=trained)
        row |= {
            name: float(_over_pairs(np.nanmean, means)),
            f"{name}_seed_sd": statistics.seed_spread(means),
            f"{name}_blocks": interval.estimate,
            f"{name}_low": interval.low,
            f"{name}_high": interval.high,
        }
        row |= {"limit": interval.limit, "persons": interval.subjects} if name == metric.name else {}
    values = tables[metric.name].of_seeds(arm) if metric.name in tables else np.empty((0, 0))
    medians = _over_pairs(np.nanmedian, values)
    tails = [statistics.quantile(column, metric.tail_quantile) for column in values.T]
    return row | {
        f"{metric.name}_median": float(_over_pairs(np.nanmean, medians)),
        metric.tail: float(_over_pairs(np.nanmean, np.array(tails))),
    }


def _over_pairs(reduce: Any, values: np.ndarray) -> Any:
    """``reduce`` along the first axis, NaN where there is nothing but NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return reduce(values, axis=0)


def with_sizes_of_networks(arms: pd.DataFrame) -> pd.DataFrame:
    """``arms`` without the sizes of those that are no network: 0 parameters are not few."""
    return arms.assign(**arms[list(SIZES)].where(arms["trained"]))


def without_optimised(arms: pd.DataFrame) -> pd.DataFrame:
    """``arms`` without those that start from another's results: they have its network, its training and its gates."""
    return arms[arms["parent"].fillna("") == ""] if "parent" in arms else arms


def repeated(arms: pd.DataFrame) -> pd.DataFrame:
    """The trained arms with a result of families that stand in several groups, each once a group."""
    trained = arms[arms["trained"] & (arms["seeds"] > 0)].drop_duplicates(["family", "group"])
    return trained[trained.groupby("family")["group"].transform("nunique") > 1]
