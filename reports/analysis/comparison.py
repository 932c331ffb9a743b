"""One row per arm: what it scores, how sure, against the baseline, and at what price."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, nan
from pathlib import Path

import pandas as pd

from reports.analysis.arms import differences, mixes, summaries, versions_of
from reports.records import NothingToReportError
from reports.records.definitions import Definitions
from reports.records.loading import load_studies
from reports.records.metric import DICE, METRICS_BY_NAME, Metric, metric_of
from reports.records.study import StudyRecords
from reports.statistics.blocks import Blocks
from reports.wording import listing

IDENTITY, ORACLE = "identity", "oracle"
BOUNDS = (IDENTITY, ORACLE)
"""Methods that bound the others from below and above."""

MATCHED = "matched by "
"""How the groups of arms of equal capacity begin; the measure follows."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The arms of a study beside each other.

    ``arms`` has a row for each planned arm with, for every metric, its mean over pairs and seeds, ``METRIC_seed_sd``,
    its mean over blocks and seeds ``METRIC_blocks`` with the interval ``METRIC_low`` to ``METRIC_high``; sizes and
    costs with their ratio to the baseline; and the difference in the primary ``metric`` to the baseline with its
    interval, ``effect_size``, ``p_value``, ``p_holm``, ``detectable`` (the smallest difference that the design finds in
    four cases of five), ``p_equivalence`` within ``margin`` (Holm-adjusted) and ``verdict``.
    """

    records: StudyRecords
    baseline: str
    arms: pd.DataFrame
    notes: tuple[str, ...]
    metric: Metric = field(default=DICE)
    margin: float | None = None

    @property
    def blocks_differ(self) -> bool:
        """Whether means over pairs and means over blocks are apart, since blocks are of unequal size."""
        apart = (self.arms[self.metric.name] - self.arms[f"{self.metric.name}_blocks"]).abs().max()
        return bool(apart > self.metric.resolution)

    @property
    def evaluated(self) -> pd.DataFrame:
        return self.arms[self.arms["seeds"] > 0]

    @property
    def trained(self) -> pd.DataFrame:
        """Evaluated arms that are trained, or all evaluated ones where none is."""
        trained = self.evaluated[self.evaluated["trained"]]
        return trained if len(trained) else self.evaluated

    @property
    def methods(self) -> pd.DataFrame:
        """Evaluated arms that register: all but identity and the true displacement, which bound what can be had."""
        return self.evaluated[~self.evaluated["method"].isin(BOUNDS)]

    @property
    def ranked(self) -> pd.DataFrame:
        """Evaluated arms with a mean, the best first; without the true displacement, which no method has."""
        scored = self.evaluated[self.evaluated["method"] != ORACLE].dropna(subset=[self.metric.mean])
        return scored.sort_values(self.metric.mean, ascending=not self.metric.higher_is_better, kind="stable")

    @property
    def ranked_methods(self) -> pd.DataFrame:
        """``methods``, trained or not, the best first; those without a mean last."""
        return self.methods.sort_values(self.metric.mean, ascending=not self.metric.higher_is_better, kind="stable")

    @property
    def compared(self) -> pd.DataFrame:
        """Evaluated arms beside the baseline."""
        return self.evaluated[self.evaluated["arm"] != self.baseline]

    @cached_property
    def blocks(self) -> Blocks:
        """Block means of the primary metric."""
        return Blocks(self.records.pairs, self.metric.name)


def compare(
    records: StudyRecords, *, baseline: str | None = None, metric: Metric = DICE, margin: float | None = None
) -> Comparison:
    """Summarise every arm and compare it by ``metric`` with ``baseline`` (default: the study's own, else its first).

    ``margin``: differences of less than this, in the metric's unit, are of no practical importance; arms that two
    one-sided tests place within it are ``level`` with the baseline. None: no arm is.

    Raises:
        NothingToReportError: ``baseline`` is no arm of the study, or ``margin`` is not above 0.
    """
    if margin is not None and not 0 < margin < inf:
        raise NothingToReportError(f"the equivalence margin must be a number above 0, got {margin:g}")
    chosen = _baseline(records, baseline)
    arms = records.arms.assign(family=families(records.arms, records.trials))
    arms = pd.concat([arms, summaries(records, metric)], axis=1)
    arms = pd.concat([arms, differences(records, arms, chosen, metric, margin=margin)], axis=1)
    base = arms[arms["arm"] == chosen].iloc[0]
    for name in ("parameters", "flops", "latency_s", "train_step_s"):
        arms[f"{name}_ratio"] = arms[name] / base[name] if base[name] else nan
    notes = tuple(_notes(records, arms, chosen, metric))
    return Comparison(records=records, baseline=chosen, arms=arms, notes=notes, metric=metric, margin=margin)


def compare_studies(
    runs: Sequence[Path],
    *,
    study: str | None = None,
    baseline: str | None = None,
    primary: str | None = None,
    dataset: str | None = None,
    margin: float | None = None,
    definitions: Definitions | None = None,
) -> list[Comparison]:
    """Every study in the run folders, or the one named ``study``, or those on ``dataset``, compared by ``primary``.

    ``baseline`` serves where a study has it, each study's own elsewhere; ``margin`` as in ``compare``. ``definitions``:
    those of the folders, where they have been read before.

    Raises:
        NothingToReportError: no study to read, none with an arm named ``baseline``, no trial that has ``primary``, or
            a ``margin`` that is not above 0.
    """
    metric = DICE if primary is None else metric_of(primary)
    studies = load_studies(runs, study=study, dataset=dataset, definitions=definitions)
    if primary is not None:
        _require_recorded(studies, metric)
    having = [
        baseline is None or baseline in set(records.arms["arm"]) | set(records.arms["label"]) for records in studies
    ]
    if not any(having):
        having = [True] * len(studies)
    return [
        compare(records, baseline=baseline if has else None, metric=metric, margin=margin)
        for records, has in zip(studies, having, strict=True)
    ]


def _require_recorded(studies: Sequence[StudyRecords], metric: Metric) -> None:
    recorded = [
        name
        for name in METRICS_BY_NAME
        if any(len(records.pairs) and records.pairs[name].notna().any() for records in studies)
    ]
    if studies and metric.name not in recorded:
        names = ", ".join(recorded) or "none"
        raise NothingToReportError(f"no evaluated trial has the metric {metric.name!r}; recorded metrics are: {names}")


def _baseline(records: StudyRecords, asked: str | None) -> str:
    names = records.arms
    wanted = asked if asked is not None else records.definition.get("reference")
    for column in ("arm", "label"):
        matching = names["arm"][names[column] == wanted]
        if len(matching):
            return str(matching.iloc[0])
    if asked is not None:
        arms = ", ".join(names["arm"])
        raise NothingToReportError(f"study {records.name!r} has no arm {asked!r} to compare with; there are: {arms}")
    return str(names["arm"].iloc[0])


def families(arms: pd.DataFrame, trials: pd.DataFrame) -> list[str]:
    """What arms of one plan are called, whatever their size: the beginning of their shortest label.

    A second arm of a plan within one group is of a family of its own.
    """
    plans = trials.dropna(subset=["canonical_plan"]).drop_duplicates("arm").set_index("arm")["canonical_plan"]
    identities: list[str] = []
    taken = set()
    for arm, label, group, plan, method in arms[["arm", "label", "group", "plan", "method"]].itertuples(index=False):
        # A missing plan in a column of strings is NaN, which is true.
        structure = (name for name in (plans.get(arm), plan, method) if isinstance(name, str) and name)
        identity = next(structure, str(arm))
        identities.append(label if (group, identity) in taken else identity)
        taken.add((group, identity))
    shortest: dict[str, str] = {}
    for identity, label in zip(identities, arms["label"], strict=True):
        shortest[identity] = min(shortest.get(identity, label), label, key=len)
    # What starts from another arm's results is called after that one, which leaves it no short name of its own.
    begins = set(
        identities if "parent" not in arms else itertools.compress(identities, arms["parent"].fillna("") == "")
    )
    begun = {identity: label.split(",")[0] for identity, label in shortest.items() if identity in begins}
    names = shortest | (begun if len(set(begun.values())) == len(begun) else {})
    # An arm over numbers of labelled subjects says itself what it is.
    strategies = arms["strategy"].fillna("") if "strategy" in arms else [""] * len(arms)
    return [strategy or names[identity] for strategy, identity in zip(strategies, identities, strict=True)]


def _shared_image(pairs: pd.DataFrame) -> Iterator[str]:
    """That all pairs have one fixed image, where they do."""
    if pairs["block"].nunique() < 2 or not {"fixed_person", "moving_person"} <= set(pairs):
        return
    fixed = set(pairs["fixed_person"].fillna("")) - {""}
    if len(fixed) == 1 and pairs["moving_person"].nunique() > 1:
        yield (
            f"All pairs share one fixed image, an atlas (subject {fixed.pop()}); blocks are the moving subjects, and "
            "the results hold for registration to that image."
        )


def _notes(records: StudyRecords, arms: pd.DataFrame, baseline: str, metric: Metric) -> list[str]:
    """Plain statements of what the numbers leave out or cannot say."""
    notes: list[str] = []
    pairs = records.pairs
    if pairs.empty:
        return notes
    for arm, unknown in pairs[pairs[metric.name].isna()].groupby("arm"):
        every, failed = int((pairs["arm"] == arm).sum()), int((unknown["failure"] != "").sum())
        why = f" ({failed} failed; the table of missing and failed trials says why)" if failed else ""
        notes.append(f"{arm}: {len(unknown)} of its {every} evaluations have no {metric.title}; left out{why}.")
    notes.extend(_shared_image(pairs))
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
    versions = versions_of(records)
    if mixed := [arm for arm, versions_run in versions.items() if mixes(versions_run)]:
        notes.append(
            f"Trials of {listing(mixed)} are of several versions of the numerics or the data, so no claims are made "
            "about them, and their means mix trials that cannot be compared."
        )
    if not (arms[arms["arm"] == baseline]["seeds"] > 0).all():
        notes.append(f"The baseline {baseline} has no evaluated trial, so no difference is given.")
    return notes
