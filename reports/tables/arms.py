"""What an arm scores, how regular its fields are, and what it costs: three views of one row per arm."""

from functools import partial
from math import isnan

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.analysis.optimised import optimised_arms
from reports.records.metric import METRICS_BY_NAME, Metric
from reports.statistics.equivalence import POWER
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM
from reports.tables.arm_table import MEANS, Columns, Row, arm_table, machine, measured, of_network, result
from reports.tables.table import Table
from reports.wording import count, number, plural, probability, significant

_DIFFERENCE = (
    "difference", "difference_low", "difference_high", "difference_se", "difference_df", "effect_size", "blocks_better",
    "blocks_shared", "p_value", "p_holm", "detectable", "p_equivalence", "verdict",
)  # fmt: skip

OF_LANDMARKS = ("tre_mm", "tre_before_mm")
"""Shown where there are landmarks."""
IN_OVERVIEW = ("dice", "hd95_mm", "endpoint_error_mm", "folding_fraction", "sd_log_jacobian")
OVER_BLOCKS = "Over blocks"


def overview(comparison: Comparison) -> Table:
    """Every arm in one row: what it scores, how regular it is, what it costs; in the order of the study."""
    metric = comparison.metric
    shown = [*IN_OVERVIEW, *(name for name in OF_LANDMARKS if comparison.arms[name].notna().any())]
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        _titled(metric.name): lambda row: measured(metric.name, row) or "no result",
        "Seed spread": lambda row: result(row, seed_spread(row, metric)),
        OVER_BLOCKS: lambda row: result(row, metric.number(row[metric.mean])),
        "95 % interval": lambda row: result(row, interval(row, metric)),
        **_after_optimisation(comparison),
        **{_titled(other): partial(measured, other) for other in shown if other != metric.name},
        "Parameters": lambda row: of_network(row, "parameters", count),
        "Latency (s)": lambda row: significant(row["latency_s"]),
        "Memory (MiB)": lambda row: count(row["peak_memory_mib"]),
    }
    text = (
        f"{MEANS}; the tables below give the details. Latency and peak memory are of one pair, measured once per arm"
        f"{machine(comparison)}."
    )
    if optimised_arms(comparison):
        text += " Instance-optimised: the mean after each result has been optimised further on its own pair."
    if not comparison.blocks_differ:
        del columns[OVER_BLOCKS]
    text += _unequal(comparison) + _daggers(comparison.evaluated["limit"])
    names = [metric.name, *(f"{metric.name}_{end}" for end in ("blocks", "seed_sd", "low", "high")), *METRICS_BY_NAME]
    names += ["parameters", "flops", "latency_s", "peak_memory_mib"]
    return arm_table(comparison, "All at a glance", text, columns, list(dict.fromkeys(names)), best=True)


def _after_optimisation(comparison: Comparison) -> Columns:
    """The score of each arm after instance optimisation of every pair, if the study has it for any arm."""
    arms, metric = optimised_arms(comparison), comparison.metric
    means = dict(zip(comparison.arms["arm"], comparison.arms[metric.name], strict=True))
    if not arms:
        return {}

    def score(row: Row) -> str:
        after = arms.get(str(row["arm"]))
        return "" if after is None or isnan(means[after]) else metric.number(means[after])

    return {"Instance-optimised": score}


def leaderboard(comparison: Comparison) -> Table:
    """What every arm scores, with its spread and interval; the best of each group first."""
    metric = comparison.metric
    name = metric.name
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Mean": lambda row: metric.number(row[name]) if row["seeds"] else "no result",
        "Median": lambda row: result(row, metric.number(row[f"{name}_median"])),
        metric.tail if name == "dice" else f"{metric.tail_quantile:g}-quantile": lambda row: result(
            row, metric.number(row[metric.tail])
        ),
        "Seed spread": lambda row: result(row, seed_spread(row, metric)),
        OVER_BLOCKS: lambda row: result(row, metric.number(row[metric.mean])),
        "95 % interval": lambda row: result(row, interval(row, metric)),
        "Seeds": lambda row: f"{row['seeds']} of {row['seeds_planned']}",
        "Verdict": lambda row: str(row["verdict"]),
    }
    if not comparison.blocks_differ:
        del columns[OVER_BLOCKS]
    if (comparison.arms["seeds"] == comparison.arms["seeds_planned"]).all():
        del columns["Seeds"]
    tail = f"{metric.tail} (the 0.3-quantile)" if name == "dice" else f"the {metric.tail_quantile:g}-quantile"
    way = "higher" if metric.higher_is_better else "lower"
    text = (
        f"{metric.label}; {way} is better. Mean, median and {tail} are over pairs, then over seeds; seed spread is the "
        "standard deviation between seed means. Intervals are over blocks of subjects crossed with seeds "
        f"(Satterthwaite's degrees of freedom). The verdict is against {comparison.baseline}: see the next table."
    )
    text += _unequal(comparison) + _daggers(comparison.evaluated["limit"])
    ends = ("", "_median", "_seed_sd", "_low", "_high", "_blocks")
    numbers = [*(f"{name}{end}" for end in ends), metric.tail]
    groups = list(dict.fromkeys(comparison.arms["group"]))
    order = comparison.arms.assign(
        place=[groups.index(group) for group in comparison.arms["group"]],
        goodness=comparison.arms[metric.mean] * (-1 if metric.higher_is_better else 1),
    ).sort_values(["place", "goodness"], kind="stable")
    counts = ["seeds", "seeds_planned", "blocks", "pairs"]
    title = f"{metric.title} by arm"
    return arm_table(comparison, title, text, columns, [*counts, *numbers, "verdict"], arms=order, best=True)


def differences(comparison: Comparison) -> Table:
    """Every arm against the baseline: difference, interval, p-values and verdict."""
    metric = comparison.metric
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Difference": lambda row: metric.number(row["difference"], signed=True),
        "95 % interval": lambda row: _difference_interval(row, metric),
        "Effect size": lambda row: number(row["effect_size"], 2, signed=True),
        "Blocks better": lambda row: _blocks_better(row),
        "p": lambda row: probability(row["p_value"]),
        "p (Holm)": lambda row: probability(row["p_holm"]),
        "Detectable": lambda row: "" if isnan(row["detectable"]) else metric.number(row["detectable"]),
        "p (equivalence)": lambda row: "" if isnan(row["p_equivalence"]) else probability(row["p_equivalence"]),
        "Verdict": lambda row: str(row["verdict"]),
    }
    family = int(comparison.arms["p_value"].notna().sum())
    correction = (
        f"significance after Holm correction over {plural(family, 'comparison')}" if family else "no arm has one"
    )
    text = (
        f"Difference = arm minus {comparison.baseline}, in {metric.label}. Intervals are over blocks of subjects "
        f"crossed with seeds, each at 95 % by itself; a verdict needs {SEEDS_FOR_A_CLAIM} seeds and {correction}. "
        "Effect size is Cohen's d_z, the mean of the blocks' differences over their standard deviation, and blocks "
        "better counts those in which the arm has the better mean: both describe these trained networks alone."
    )
    text += _power(comparison) + _daggers(comparison.compared["difference_limit"])
    title = f"Differences to {comparison.baseline}"
    return arm_table(comparison, title, text, columns, list(_DIFFERENCE), arms=comparison.compared)


def _power(comparison: Comparison) -> str:
    """What the design could have shown, and what is called level."""
    margin, metric = comparison.margin, comparison.metric
    text = ""
    if comparison.compared["detectable"].notna().any():
        text += (
            f" Detectable: the smallest true difference that these blocks and seeds would show in {POWER:.0%} of "
            "repetitions, at the level that the first step of Holm's correction asks for."
        ).replace("%", " %")
    if margin is None:
        return f"{text} No margin of practical equivalence was set (--equivalence), so no arm is called level."
    return (
        f"{text} Level: no difference is shown, and two one-sided tests over blocks and seeds place the difference "
        f"within ±{metric.amount(margin)}, the margin that was set (p of equivalence after Holm correction)."
    )


def _unequal(comparison: Comparison) -> str:
    if not comparison.blocks_differ:
        return ""
    return (
        " Blocks are of unequal size: the mean over blocks gives each the same weight, and intervals, differences and "
        "figures are of it, not of the mean over pairs."
    )


def _daggers(limits: "pd.Series[str]") -> str:
    if not (limits == "one seed").any():
        return ""
    return " † Over blocks alone, conditional on one trained network: how trainings vary is not known."


def interval(row: Row, metric: Metric) -> str:
    """The interval of an arm's mean, with a dagger where it leaves out the variation between trainings."""
    return _daggered(metric.between(row[f"{metric.name}_low"], row[f"{metric.name}_high"]), row["limit"])


def seed_spread(row: Row, metric: Metric) -> str:
    """The spread between seeds, or why there is none."""
    if not row["trained"]:
        return "untrained"
    spread = row[f"{metric.name}_seed_sd"]
    return "one seed" if isnan(spread) else number(spread, metric.digits + 1)


def _titled(name: str) -> str:
    label = METRICS_BY_NAME[name].label
    return label[:1].upper() + label[1:]


def _blocks_better(row: Row) -> str:
    return "" if isnan(row["blocks_better"]) else f"{row['blocks_better']:.0f} of {row['blocks_shared']:.0f}"


def _difference_interval(row: Row, metric: Metric) -> str:
    text = metric.between(row["difference_low"], row["difference_high"], signed=True)
    return _daggered(text, row["difference_limit"])


def _daggered(text: str, limit: str) -> str:
    return f"{text} †" if limit == "one seed" and not text.startswith("not") else text
