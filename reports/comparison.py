"""One row an arm: what it scores, how sure, against the baseline, and at what price."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import statistics
from reports.load import NothingToReportError, StudyRecords, load_studies
from reports.read import METRICS
from reports.trial import COST, EVALUATED

PRIMARY = "dice"
SAME_MEAN = 5e-4


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arms of a study beside each other.

    ``arms`` has a row for each planned arm with, for every metric, its mean over pairs and seeds, ``METRIC_seed_sd``,
    its mean over blocks and seeds ``METRIC_blocks`` with the interval ``METRIC_low`` to ``METRIC_high``; sizes and
    costs with their ratio to the baseline; and the difference in Dice to the baseline with its interval,
    ``p_value``, ``p_holm`` and ``verdict``.
    """

    records: StudyRecords
    baseline: str
    arms: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def blocks_differ(self) -> bool:
        """Whether means over pairs and means over blocks are apart, since blocks are of unequal size."""
        apart = (self.arms["dice"] - self.arms["dice_blocks"]).abs().max()
        return bool(apart > SAME_MEAN)

    @property
    def evaluated(self) -> pd.DataFrame:
        return self.arms[self.arms["seeds"] > 0]

    @property
    def compared(self) -> pd.DataFrame:
        """Evaluated arms beside the baseline."""
        return self.evaluated[self.evaluated["arm"] != self.baseline]


def compare(records: StudyRecords, *, baseline: str | None = None) -> Comparison:
    """Summarise every arm and compare it with ``baseline`` (default: the study's own, else its first arm).

    Raises:
        NothingToReportError: ``baseline`` is no arm of the study.
    """
    chosen = _baseline(records, baseline)
    arms = records.arms.assign(family=_families(records))
    summaries = [_summary(records, arm) for arm in arms["arm"]]
    arms = pd.concat([arms, pd.DataFrame(summaries)], axis=1)
    arms = pd.concat([arms, _differences(records, arms, chosen)], axis=1)
    base = arms[arms["arm"] == chosen].iloc[0]
    for name in ("parameters", "flops", "train_step_s"):
        arms[f"{name}_ratio"] = arms[name] / base[name] if base[name] else nan
    return Comparison(records=records, baseline=chosen, arms=arms, notes=tuple(_notes(records, arms, chosen)))


def compare_studies(runs: Sequence[Path], *, study: str | None = None, baseline: str | None = None) -> list[Comparison]:
    """Every study in the run folders, or one; ``baseline`` serves where a study has it, each study's own elsewhere.

    Raises:
        NothingToReportError: no study to read, or none with an arm named ``baseline``.
    """
    found = load_studies(runs, study=study)
    having = [baseline is None or baseline in set(one.arms["arm"]) | set(one.arms["label"]) for one in found]
    if not any(having):
        having = [True] * len(found)
    return [compare(one, baseline=baseline if has else None) for one, has in zip(found, having, strict=True)]


def block_means(pairs: Sequence[pd.DataFrame], metric: str) -> list[np.ndarray]:
    """Tables ``(seeds, blocks)`` of block means of several arms' ``pairs``, over the pairs that all of them have.

    A pair counts when every seed of every arm has a value for it, so that arms and seeds are compared on equal pairs.
    """
    values = [one.pivot(index="pair", columns="seed", values=metric) for one in pairs]
    shared = pd.concat(values, axis=1, join="inner").dropna().index
    blocks = pairs[0].drop_duplicates("pair").set_index("pair")["block"].reindex(shared)
    return [one.loc[shared].groupby(blocks).mean().sort_index().to_numpy().T for one in values]


def _baseline(records: StudyRecords, asked: str | None) -> str:
    names = records.arms
    wanted = asked if asked is not None else records.definition.get("reference")
    for column in ("arm", "label"):
        found = names["arm"][names[column] == wanted]
        if len(found):
            return str(found.iloc[0])
    if asked is not None:
        known = ", ".join(names["arm"])
        raise NothingToReportError(f"study {records.name!r} has no arm {asked!r} to compare with; there are: {known}")
    return str(names["arm"].iloc[0])


def _families(records: StudyRecords) -> list[str]:
    """What arms of one plan are called, whatever their size: the beginning of their shortest label."""
    plans = records.trials.dropna(subset=["canonical_plan"]).drop_duplicates("arm").set_index("arm")["canonical_plan"]
    identities = []
    for arm, plan, method in records.arms[["arm", "plan", "method"]].itertuples(index=False):
        # A missing plan in a column of strings is NaN, which is true.
        known = (name for name in (plans.get(arm), plan, method) if isinstance(name, str) and name)
        identities.append(next(known, str(arm)))
    shortest: dict[str, str] = {}
    for identity, label in zip(identities, records.arms["label"], strict=True):
        shortest[identity] = min(shortest.get(identity, label), label, key=len)
    begun = {identity: label.split(",")[0] for identity, label in shortest.items()}
    names = begun if len(set(begun.values())) == len(begun) else shortest
    return [names[identity] for identity in identities]


def _of_arm(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    return table[table["arm"] == arm]


def _summary(records: StudyRecords, arm: str) -> dict[str, Any]:
    trials = _of_arm(records.trials, arm)
    pairs = _of_arm(records.pairs, arm)
    evaluated = trials[trials["state"] == EVALUATED]
    # A trial that failed still says how large it is.
    told = trials.dropna(subset=["parameters"])
    row: dict[str, Any] = {
        "canonical_plan": _first(trials["canonical_plan"]),
        "trained": bool((told if len(told) else trials)["trained"].astype(bool).any()),
        "seeds": len(evaluated),
        "seeds_planned": len(trials),
        "pairs": pairs["pair"].nunique() if len(pairs) else 0,
        "blocks": pairs["block"].nunique() if len(pairs) else 0,
        "parameters": _number(_first(trials["parameters"])),
        "flops": _number(_first(trials["flops"])),
        "training_s": _mean(trials["training_s"]),
        "step_s": _mean(trials["step_s"]),
    }
    row |= {name: _number(_first(trials[f"cost_{name}"])) for name in COST}
    return row | _scores(pairs, trained=row["trained"])


def _scores(pairs: pd.DataFrame, *, trained: bool) -> dict[str, Any]:
    if pairs.empty:
        names = [f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_seed_sd", "_blocks", "_low", "_high")]
        return dict.fromkeys([*names, "dice_median", "dice30"], nan) | {"limit": "no result"}
    row: dict[str, Any] = {}
    for metric in METRICS:
        means = pairs.groupby("seed")[metric].mean()
        interval = statistics.mean_interval(block_means([pairs], metric)[0], trained=trained)
        row |= {
            metric: float(means.mean()),
            f"{metric}_seed_sd": statistics.seed_spread(means),
            f"{metric}_blocks": interval.estimate,
            f"{metric}_low": interval.low,
            f"{metric}_high": interval.high,
        }
        row |= {"limit": interval.limit} if metric == PRIMARY else {}
    dice = pairs.groupby("seed")[PRIMARY]
    row |= {"dice_median": float(dice.median().mean()), "dice30": float(dice.apply(statistics.dice30).mean())}
    return row


def _differences(records: StudyRecords, arms: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Difference in Dice of each arm to the baseline; Holm's family is every comparison that has a p-value."""
    base = _of_arm(records.pairs, baseline)
    base_trained = bool(arms[arms["arm"] == baseline]["trained"].iloc[0])
    intervals = []
    for arm, trained in zip(arms["arm"], arms["trained"], strict=True):
        pairs = _of_arm(records.pairs, arm)
        if arm == baseline or pairs.empty or base.empty:
            limit = "no result" if pairs.empty else "no baseline"
            intervals.append(statistics.Interval(estimate=nan, limit=limit))
            continue
        one, other = block_means([pairs, base], PRIMARY)
        interval = statistics.difference_interval(one, other, first_trained=bool(trained), second_trained=base_trained)
        intervals.append(interval)
    adjusted = statistics.holm([interval.p_value for interval in intervals])
    rows = [
        {
            "difference": interval.estimate,
            "difference_low": interval.low,
            "difference_high": interval.high,
            "difference_se": interval.standard_error,
            "difference_df": interval.degrees_of_freedom,
            "difference_limit": interval.limit,
            "p_value": interval.p_value,
            "p_holm": p_holm,
            "verdict": "baseline" if arm == baseline else statistics.verdict(interval, p_holm),
        }
        for arm, interval, p_holm in zip(arms["arm"], intervals, adjusted, strict=True)
    ]
    return pd.DataFrame(rows)


def _notes(records: StudyRecords, arms: pd.DataFrame, baseline: str) -> list[str]:
    """Plain statements of what the numbers leave out or cannot say."""
    notes: list[str] = []
    pairs = records.pairs
    if pairs.empty:
        return notes
    for arm, count in pairs[pairs["dice"].isna()].groupby("arm").size().items():
        notes.append(f"{arm}: {count} of its {int((pairs['arm'] == arm).sum())} evaluations have no Dice; left out.")
    sets = pairs.groupby(["arm", "seed"])["pair"].agg(frozenset)
    if sets.nunique() > 1:
        fewest, most = sets.map(len).min(), sets.map(len).max()
        notes.append(
            f"Not every trial was evaluated on the same pairs ({fewest} to {most}); differences use the pairs that "
            "both arms have in every seed."
        )
    moved = pairs.groupby("pair")["block"].nunique()
    if (moved > 1).any():
        notes.append(f"{int((moved > 1).sum())} pairs are in other blocks in other trials; the first one counts.")
    if not (arms[arms["arm"] == baseline]["seeds"] > 0).all():
        notes.append(f"The baseline {baseline} has no evaluated trial, so no difference is given.")
    return notes


def _first(values: "pd.Series[Any]") -> Any:
    known = values.dropna()
    return known.iloc[0] if len(known) else None


def _number(value: Any) -> float:
    return nan if value is None else float(value)


def _mean(values: "pd.Series[Any]") -> float:
    known = pd.to_numeric(values, errors="coerce").dropna()
    return float(known.mean()) if len(known) else nan
