"""What an arm scores, how regular its fields are, and what it costs: three views of one row an arm."""

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any, TypeAlias

import pandas as pd

from reports.comparison import Comparison
from reports.numerals import NOT_MEASURED, between, count, listing, number, plural, probability, share, significant
from reports.read import METRICS
from reports.statistics import SEEDS_FOR_A_CLAIM
from reports.table import Table, caption
from reports.trial import COST

Row: TypeAlias = "pd.Series[Any]"
Columns: TypeAlias = dict[str, Callable[[Row], str]]

_DIFFERENCE = ("difference", "difference_low", "difference_high", "difference_se", "difference_df", "p_value", "p_holm")


def accuracy(comparison: Comparison) -> Table:
    """Dice of every arm with its spread and interval, and its difference to the baseline."""
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Mean": lambda row: number(row["dice"]) if row["seeds"] else "no result",
        "Median": lambda row: _result(row, number(row["dice_median"])),
        "dice30": lambda row: _result(row, number(row["dice30"])),
        "Seed spread": lambda row: _result(row, seed_spread(row)),
        "Block mean": lambda row: _result(row, number(row["dice_blocks"])),
        "95 % interval": lambda row: _result(row, interval(row)),
        "Difference": lambda row: _difference(row, number(row["difference"], signed=True)),
        "95 % interval of difference": lambda row: _difference(row, _difference_interval(row)),
        "p (Holm)": lambda row: _difference(row, probability(row["p_holm"])),
        "Verdict": lambda row: str(row["verdict"]),
    }
    if not comparison.blocks_differ:
        del columns["Block mean"]
    family = int(comparison.arms["p_value"].notna().sum())
    correction = (
        f"stands after Holm's correction over {plural(family, 'comparison')}" if family else "is given for none"
    )
    text = (
        f"Difference = arm minus {comparison.baseline}. Mean, median and dice30 (the 0.3-quantile) are over pairs, "
        "then over seeds; seed spread is the standard deviation between seed means. Intervals are over blocks of "
        "persons crossed with seeds (Satterthwaite's degrees of freedom), each at 95 % by itself; a verdict needs "
        f"{SEEDS_FOR_A_CLAIM} seeds and {correction}."
    )
    if comparison.blocks_differ:
        text += " Blocks are of unequal size: block mean, intervals and differences give each block the same weight."
    if (comparison.evaluated["limit"] == "one seed").any():
        text += " † Over blocks alone, conditional on one trained network: how trainings vary is not known."
    numbers = ["dice", "dice_median", "dice30", "dice_seed_sd", "dice_low", "dice_high", "dice_blocks", *_DIFFERENCE]
    counts = ["seeds", "seeds_planned", "blocks", "pairs"]
    return _table(comparison, "Dice by arm", text, columns, [*counts, *numbers, "verdict"])


def regularity(comparison: Comparison) -> Table:
    """Surface distances, folding and smoothness of every arm."""
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "HD95 (mm)": lambda row: number(row["hd95_mm"], 2) if row["seeds"] else "no result",
        "ASSD (mm)": lambda row: _result(row, number(row["assd_mm"], 2)),
        "Folding fraction": lambda row: _result(row, share(row["folding_fraction"])),
        "NDV fraction": lambda row: _result(row, share(row["ndv_fraction"])),
        "SD log J": lambda row: _result(row, number(row["sd_log_jacobian"])),
        "SD log J (L2R)": lambda row: _result(row, number(row["sdlogj_l2r"])),
        "Endpoint error (mm)": lambda row: _result(row, number(row["endpoint_error_mm"], 2)),
    }
    text = (
        "Means over pairs, then over seeds. HD95 and ASSD are symmetric surface distances; folding fraction is the "
        "share of voxels with a determinant of 0 or less, NDV fraction the non-diffeomorphic volume, SD log J the "
        "standard deviation of the logarithm of the determinant (L2R: as Learn2Reg computes it). Endpoint error needs "
        "a known true deformation."
    )
    suffixes = ("", "_seed_sd", "_low", "_high")
    numbers = [f"{metric}{suffix}" for metric in METRICS[1:] for suffix in suffixes]
    return _table(comparison, "Surface distances, folding and smoothness", text, columns, numbers)


def cost(comparison: Comparison) -> Table:
    """Size and price of every arm, with ratios to the baseline."""
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Plan": _plan,
        "Parameters": lambda row: count(row["parameters"]),
        "ratio": lambda row: _ratio(row["parameters_ratio"]),
        "GFLOPs": lambda row: significant(row["flops"] / 1e9),
        "ratio ": lambda row: _ratio(row["flops_ratio"]),
        "Latency (s)": lambda row: significant(row["latency_s"]),
        "Train step (s)": lambda row: significant(row["train_step_s"]),
        "ratio  ": lambda row: _ratio(row["train_step_s_ratio"]),
        "Memory (MiB)": lambda row: count(row["peak_memory_mib"]),
        "Train memory (MiB)": lambda row: count(row["train_peak_memory_mib"]),
    }
    text = (
        f"Ratios are to {comparison.baseline}. FLOPs are of one forward pass at the padded shape; latency, training "
        f"step and peak memory are measured once an arm with nothing beside it{_machine(comparison)}."
    )
    numbers = ["canonical_plan", "parameters", "parameters_ratio", "flops", "flops_ratio", *COST, "train_step_s_ratio"]
    return _table(comparison, "Parameters, FLOPs, time and memory", text, columns, [*numbers, "step_s", "training_s"])


def interval(row: Row) -> str:
    """The interval of an arm's mean, with a dagger where it leaves out the variation between trainings."""
    return _daggered(between(row["dice_low"], row["dice_high"]), row["limit"])


def seed_spread(row: Row) -> str:
    """The spread between seeds, or why there is none."""
    if not row["trained"]:
        return "untrained"
    return "one seed" if isnan(row["dice_seed_sd"]) else number(row["dice_seed_sd"], 4)


def _table(comparison: Comparison, title: str, text: str, columns: Columns, numbers: Sequence[str]) -> Table:
    arms = comparison.arms
    rows = [[show(row) for show in columns.values()] for _, row in arms.iterrows()]
    shown = pd.DataFrame(rows, columns=list(columns))
    unknown = [name for name in columns if set(shown[name]) - {"", "no result"} == {NOT_MEASURED}]
    if unknown:
        text += f" Not measured in any arm: {listing([name.strip() for name in unknown])}."
    return Table(
        title=title,
        caption=caption(text, comparison.records),
        numbers=arms[["arm", "group", *numbers]],
        shown=shown.drop(columns=[*unknown, *(name for name in columns if set(shown[name]) == {""})]),
        groups=tuple(arms["group"]),
        short=tuple(arms["arm" if arms.duplicated(["group", "family"]).any() else "family"]),
        marked=tuple(arms["arm"] == comparison.baseline),
    )


def _result(row: Row, text: str) -> str:
    return text if row["seeds"] else ""


def _difference(row: Row, text: str) -> str:
    return "" if row["verdict"] == "baseline" or isnan(row["difference"]) else text


def _difference_interval(row: Row) -> str:
    return _daggered(between(row["difference_low"], row["difference_high"], signed=True), row["difference_limit"])


def _daggered(text: str, limit: str) -> str:
    return f"{text} †" if limit == "one seed" and not text.startswith("not") else text


def _plan(row: Row) -> str:
    return next((plan for plan in (row["canonical_plan"], row["plan"]) if isinstance(plan, str)), "")


def _ratio(value: float) -> str:
    return "" if isnan(value) else number(value, 2)


def _machine(comparison: Comparison) -> str:
    """On what the cost was measured, as far as all arms agree."""
    trials = comparison.records.trials.dropna(subset=["cost_latency_s"])
    machines = zip(trials["cost_device"], trials["cost_threads"].fillna(0), strict=True)
    known = {(str(device), int(threads)) for device, threads in machines}
    if len(known) != 1:
        return f" (on {len(known)} kinds of device or numbers of threads: not comparable)" if known else ""
    device, threads = known.pop()
    return f" ({device}, {plural(threads, 'thread')})"
