"""What trained gates weigh, and the equivalent plan without gates."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from shlex import join
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.files import as_object
from reports.records.plans import NAMED_PLANS, STAGES, decode_plan, is_plan
from reports.statistics import intervals as statistics
from reports.tables.table import Table, caption
from reports.wording import number

LOW, HIGH = 0.3, 0.7
"""From where a gate amounts to one of its candidates: see ``fusemorph.fusion.plan.decode_plan``."""
_WEIGHTS = ["joint_weight", "single_weight", "correlation_weight"]


def weights(comparison: Comparison) -> pd.DataFrame:
    """Mean weights by ``arm``, ``seed`` and ``stage``: over the evaluated pairs, or of the last validation without."""
    records = comparison.records
    tables = [records.pair_gates.assign(of=f"{records.split} pairs")] if len(records.pair_gates) else []
    if len(records.gates):
        evaluated = {
            (arm, seed) for table in tables for arm, seed in table[["arm", "seed"]].drop_duplicates().to_numpy()
        }
        trained = records.gates[
            [pair not in evaluated for pair in zip(records.gates["arm"], records.gates["seed"], strict=True)]
        ]
        last = trained["step"] == trained.groupby(["arm", "seed"])["step"].transform("max")
        tables.append(trained[last].assign(of="val pairs, at the last validation"))
    if not any(len(table) for table in tables):
        return pd.DataFrame(columns=["arm", "seed", "stage", "of", *_WEIGHTS])
    joined = pd.concat([table[["arm", "seed", "stage", "of", *_WEIGHTS]] for table in tables if len(table)])
    means = joined.groupby(["arm", "seed", "stage", "of"], sort=False, as_index=False)[_WEIGHTS].mean()
    order = {arm: place for place, arm in enumerate(comparison.arms["arm"])}
    return means.sort_values(
        ["arm", "seed", "stage"], key=lambda column: column.map(order) if column.name == "arm" else column
    )


def gate_weights(comparison: Comparison) -> Table:
    """Weight of the joint path by arm and stage, over pairs and seeds, with the range of the seeds."""
    seeds = weights(comparison)
    seeds = seeds.assign(stage=seeds["stage"].astype(int))
    grouped = seeds.groupby(["arm", "stage", "of"], sort=False)
    numbers = grouped[_WEIGHTS].mean().join(grouped["joint_weight"].agg(lowest="min", highest="max", seeds="count"))
    numbers = numbers.reset_index()
    rows = []
    for (arm, of), rows_of_arm in numbers.groupby(["arm", "of"], sort=False):
        cells = {int(row["stage"]): _weight(row) for _, row in rows_of_arm.iterrows()}
        rows.append([arm, *(cells.get(stage, "no gate") for stage in STAGES), of])
    shown = pd.DataFrame(rows, columns=["Arm", *(f"Stage {stage}" for stage in STAGES), "Over"])
    text = "Mean weight of the joint path, over voxels, channels, pairs and seeds; in brackets the range of the seeds."
    return Table(title="Gate weights by stage", caption=caption(text, comparison.records), numbers=numbers, shown=shown)


def _weight(row: "pd.Series[Any]") -> str:
    text = number(row["joint_weight"], 2)
    return text if row["seeds"] == 1 else f"{text} ({number(row['lowest'], 2)} to {number(row['highest'], 2)})"


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """The plan that a gated arm amounts to, in how many of its seeds, and where it was trained, if it was."""

    arm: str
    plan: str
    decoded: str
    agreeing: int
    seeds: int
    trained: tuple[Comparison, str] | None


def decoded_arms(comparison: Comparison, beside: Sequence[Comparison]) -> list[Decoded]:
    """Every gated arm with its decoded plan; ``beside`` are the studies that may hold the decoded plan's training."""
    table, arms = weights(comparison), []
    for arm, gates in table.groupby("arm", sort=False):
        row = comparison.arms[comparison.arms["arm"] == arm].iloc[0]
        plan = next((name for name in (row["canonical_plan"], row["plan"]) if is_plan(name)), None)
        if plan is None:
            continue
        decoded = decode_plan(str(plan), _by_stage(gates), low=LOW, high=HIGH)
        by_seed = [decode_plan(str(plan), _by_stage(seed), low=LOW, high=HIGH) for _, seed in gates.groupby("seed")]
        trained = next(_trained_as(decoded, str(arm), comparison, beside), None) if decoded != plan else None
        agreeing = sum(plan_of_seed == decoded for plan_of_seed in by_seed)
        arms.append(
            Decoded(
                arm=str(arm), plan=str(plan), decoded=decoded, agreeing=agreeing, seeds=len(by_seed), trained=trained
            )
        )
    return arms


def _by_stage(gates: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Mean weight of each candidate by stage."""
    means = (
        gates.groupby(gates["stage"].astype(int))[_WEIGHTS]
        .mean()
        .rename(columns=lambda name: name.removesuffix("_weight"))
    )
    rows = means.to_dict("index")
    return {int(str(stage)): {str(k): v for k, v in row.items() if not isnan(v)} for stage, row in rows.items()}


def _trained_as(plan: str, parent: str, comparison: Comparison, beside: Sequence[Comparison]) -> Any:
    """Evaluated arms of that plan that differ from the parent in nothing else."""
    conditions = _conditions(comparison, parent)
    for other in sorted([comparison, *beside], key=lambda candidate: candidate is not comparison):
        for _, row in other.evaluated.iterrows():
            if row["canonical_plan"] == plan and _conditions(other, str(row["arm"])) == conditions:
                yield other, str(row["arm"])


def _conditions(comparison: Comparison, arm: str) -> str:
    """All but plan and gate that decides what an arm's training comes to, as text."""
    records = comparison.records
    row = records.arms[records.arms["arm"] == arm].iloc[0]
    entry = next(
        arm for arm in records.definition["arms"] if arm["label"] == row["label"] and arm["keys"] == row["keys"]
    )
    method = {name: value for name, value in as_object(entry.get("method")).items() if name not in ("plan", "gate")}
    budget = as_object(records.definition.get("budget")) | as_object(entry.get("budget_changes"))
    return json.dumps([method, budget, records.dataset, records.split], sort_keys=True)


_HEADINGS = (
    "Arm", "Plan", "Decoded plan", "Seeds that agree", "Gated {title}", "Decoded {title}", "Difference", "Trained as",
)  # fmt: skip
_DECODED = (
    "arm", "plan", "decoded", "agreeing", "seeds", "gated", "of_decoded", "difference", "low", "high", "trained_as",
)  # fmt: skip


def decoded_plans(comparison: Comparison, beside: Sequence[Comparison] = ()) -> Table:
    """What a decoded plan scores against its gated parent, or the line that would train it."""
    title = comparison.metric.title
    rows, shown = [], []
    for entry in decoded_arms(comparison, beside):
        gated = _score(comparison, entry.arm)
        value, interval, where = _compared(comparison, entry)
        rows.append(
            [entry.arm, entry.plan, entry.decoded, entry.agreeing, entry.seeds, gated, value, interval.estimate,
             interval.low, interval.high, where]
        )  # fmt: skip
        called = NAMED_PLANS.get(entry.decoded)
        shown.append(
            [entry.arm, entry.plan, f"{entry.decoded}{f' ({called})' if called else ''}",
             f"{entry.agreeing} of {entry.seeds}", comparison.metric.number(gated),
             "" if isnan(value) else comparison.metric.number(value), _difference(comparison, interval), where]
        )  # fmt: skip
    text = (
        f"A gate is decoded as the candidate (joint, single-image, correlation) whose mean weight is {HIGH} or more, "
        "and stays a gate where there is none; stages that nothing reads then are dead (-). "
        "Decoded minus gated, with its 95 % interval over blocks crossed with seeds, not corrected for the number of "
        "comparisons."
    )
    return Table(
        title="Decoded plans",
        caption=caption(text, comparison.records),
        numbers=pd.DataFrame(rows, columns=list(_DECODED)),
        shown=pd.DataFrame(shown, columns=[heading.format(title=title) for heading in _HEADINGS]),
    )


def _compared(comparison: Comparison, entry: Decoded) -> tuple[float, statistics.Interval, str]:
    """The decoded plan's score, its difference to the parent's where one study holds both, and who has it."""
    nothing = statistics.Interval(estimate=float("nan"))
    if entry.decoded == entry.plan:
        return float("nan"), nothing, "itself: no gate prefers a path that clearly"
    if entry.trained is None:
        return float("nan"), nothing, f"not trained; {training_line(comparison, entry)}"
    study, arm = entry.trained
    value = _score(study, arm)
    if study is not comparison:
        return value, nothing, f"{arm}, in the study {study.records.name}"
    return value, comparison.blocks.difference(arm, entry.arm, first_trained=True, second_trained=True), arm


def _score(comparison: Comparison, arm: str) -> float:
    return float(comparison.arms.loc[comparison.arms["arm"] == arm, comparison.metric.mean].iloc[0])


def _difference(comparison: Comparison, interval: statistics.Interval) -> str:
    if isnan(interval.estimate):
        return ""
    metric = comparison.metric
    low_high = metric.between(interval.low, interval.high, signed=True)
    return (
        f"{metric.number(interval.estimate, signed=True)} ({low_high}{'; ' + interval.limit if interval.limit else ''})"
    )


def training_line(comparison: Comparison, entry: Decoded) -> str:
    """The command that trains a decoded plan beside its gated parent, as far as the study says how it was run."""
    definition = comparison.records.definition
    study, budget = definition.get("study"), as_object(definition.get("budget")).get("name")
    label = str(comparison.records.arms.set_index("arm").loc[entry.arm, "label"])
    if not isinstance(study, str) or not budget or "search" in definition or "-best-of-" in comparison.records.name:
        return "the study does not say how to train one more arm"
    words = [
        "python", "-m", "experiments.sweep", study, "--dataset", str(comparison.records.dataset.get("name")),
        "--budget", str(budget), "--seeds", str(len(definition.get("seeds") or [0])), "--arm", label,
        f"--plan={entry.decoded}", "--name", f"{comparison.records.stem}-decoded",
    ]  # fmt: skip
    return join(words)
