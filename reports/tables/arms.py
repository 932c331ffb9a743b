"""What an arm scores, how regular its fields are, and what it costs: three views of one row an arm."""

from collections.abc import Callable, Sequence
from functools import partial
from math import isnan
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from reports.analysis.comparison import Comparison
from reports.analysis.optimised import optimised_arms
from reports.records.metric import KNOWN, Metric
from reports.records.trial import COST
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM
from reports.tables.table import Table, caption
from reports.wording import NOT_MEASURED, count, listing, number, plural, probability, share, significant

Row: TypeAlias = "pd.Series[Any]"
Columns: TypeAlias = dict[str, Callable[[Row], str]]

_DIFFERENCE = (
    "difference", "difference_low", "difference_high", "difference_se", "difference_df", "effect_size", "blocks_better",
    "blocks_shared", "p_value", "p_holm", "verdict",
)  # fmt: skip

IN_OVERVIEW = ("dice", "hd95_mm", "endpoint_error_mm", "folding_fraction", "sd_log_jacobian")
FRACTIONS = ("folding_fraction", "ndv_fraction")


def overview(comparison: Comparison) -> Table:
    """Every arm in one row: what it scores, how regular it is, what it costs; in the order of the study."""
    metric = comparison.metric
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        _titled(metric.name): lambda row: _measured(metric.name, row) or "no result",
        "Seed spread": lambda row: _result(row, seed_spread(row, metric)),
        "95 % interval": lambda row: _result(row, interval(row, metric)),
        **_after_optimisation(comparison),
        **{_titled(other): partial(_measured, other) for other in IN_OVERVIEW if other != metric.name},
        "Parameters": lambda row: count(row["parameters"]),
        "Latency (s)": lambda row: significant(row["latency_s"]),
        "Memory (MiB)": lambda row: count(row["peak_memory_mib"]),
    }
    text = (
        "Means over pairs, then over seeds; the tables below say more of each. Latency and peak memory are of one "
        f"pair, measured once an arm{_machine(comparison)}."
    )
    if optimised_arms(comparison):
        text += " Instance-optimised: the mean after each result has been optimised further on its own pair."
    text += _unequal(comparison) + _daggers(comparison.evaluated["limit"])
    names = [metric.name, f"{metric.name}_seed_sd", f"{metric.name}_low", f"{metric.name}_high", *KNOWN]
    names += ["parameters", "flops", "latency_s", "peak_memory_mib"]
    return _table(comparison, "All at a glance", text, columns, list(dict.fromkeys(names)), best=True)


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
        "Median": lambda row: _result(row, metric.number(row[f"{name}_median"])),
        metric.tail if name == "dice" else f"{metric.tail_quantile:g}-quantile": lambda row: _result(
            row, metric.number(row[metric.tail])
        ),
        "Seed spread": lambda row: _result(row, seed_spread(row, metric)),
        "Block mean": lambda row: _result(row, metric.number(row[f"{name}_blocks"])),
        "95 % interval": lambda row: _result(row, interval(row, metric)),
        "Seeds": lambda row: f"{row['seeds']} of {row['seeds_planned']}",
        "Verdict": lambda row: str(row["verdict"]),
    }
    if not comparison.blocks_differ:
        del columns["Block mean"]
    if (comparison.arms["seeds"] == comparison.arms["seeds_planned"]).all():
        del columns["Seeds"]
    tail = f"{metric.tail} (the 0.3-quantile)" if name == "dice" else f"the {metric.tail_quantile:g}-quantile"
    way = "higher" if metric.higher_is_better else "lower"
    text = (
        f"{metric.label}; {way} is better. Mean, median and {tail} are over pairs, then over seeds; seed spread is the "
        "standard deviation between seed means. Intervals are over blocks of persons crossed with seeds "
        f"(Satterthwaite's degrees of freedom). The verdict is against {comparison.baseline}: see the next table."
    )
    text += _unequal(comparison) + _daggers(comparison.evaluated["limit"])
    ends = ("", "_median", "_seed_sd", "_low", "_high", "_blocks")
    numbers = [*(f"{name}{end}" for end in ends), metric.tail]
    groups = list(dict.fromkeys(comparison.arms["group"]))
    order = comparison.arms.assign(
        place=[groups.index(group) for group in comparison.arms["group"]],
        goodness=comparison.arms[name] * (-1 if metric.higher_is_better else 1),
    ).sort_values(["place", "goodness"], kind="stable")
    counts = ["seeds", "seeds_planned", "blocks", "pairs"]
    title = f"{metric.title} by arm"
    return _table(comparison, title, text, columns, [*counts, *numbers, "verdict"], arms=order, best=True)


def differences(comparison: Comparison) -> Table:
    """Every arm against the baseline: how far apart, how sure, and what may be said."""
    metric = comparison.metric
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Difference": lambda row: metric.number(row["difference"], signed=True),
        "95 % interval": lambda row: _difference_interval(row, metric),
        "Effect size": lambda row: number(row["effect_size"], 2, signed=True),
        "Blocks better": lambda row: _blocks_better(row),
        "p": lambda row: probability(row["p_value"]),
        "p (Holm)": lambda row: probability(row["p_holm"]),
        "Verdict": lambda row: str(row["verdict"]),
    }
    family = int(comparison.arms["p_value"].notna().sum())
    correction = (
        f"significance after Holm correction over {plural(family, 'comparison')}" if family else "no arm has one"
    )
    text = (
        f"Difference = arm minus {comparison.baseline}, in {metric.label}. Intervals are over blocks of persons "
        f"crossed with seeds, each at 95 % by itself; a verdict needs {SEEDS_FOR_A_CLAIM} seeds and {correction}. "
        "Effect size is Cohen's d_z, the mean of the blocks' differences over their standard deviation, and blocks "
        "better counts those in which the arm has the better mean: both describe these trained networks alone."
    )
    text += _unequal(comparison) + _daggers(comparison.compared["difference_limit"])
    title = f"Differences to {comparison.baseline}"
    return _table(comparison, title, text, columns, list(_DIFFERENCE), arms=comparison.compared)


def _unequal(comparison: Comparison) -> str:
    if not comparison.blocks_differ:
        return ""
    return " Blocks are of unequal size: block means, intervals and differences give each block the same weight."


def _daggers(limits: "pd.Series[str]") -> str:
    if not (limits == "one seed").any():
        return ""
    return " † Over blocks alone, conditional on one trained network: how trainings vary is not known."


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
    numbers = [f"{metric}{suffix}" for metric in KNOWN if metric != "dice" for suffix in suffixes]
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
        "ratio   ": lambda row: _ratio(row["latency_s_ratio"]),
        "Train step (s)": lambda row: significant(row["train_step_s"]),
        "ratio  ": lambda row: _ratio(row["train_step_s_ratio"]),
        "Memory (MiB)": lambda row: count(row["peak_memory_mib"]),
        "Train memory (MiB)": lambda row: count(row["train_peak_memory_mib"]),
    }
    text = (
        f"Ratios are to {comparison.baseline}. FLOPs are of one forward pass at the padded shape; latency, training "
        f"step and peak memory are measured once an arm{_machine(comparison)}; what else ran on the machine at that "
        "time is not recorded."
    )
    numbers = ["canonical_plan", "parameters", "parameters_ratio", "flops", "flops_ratio", *COST, "latency_s_ratio"]
    numbers += ["train_step_s_ratio", "step_s", "training_s"]
    return _table(comparison, "Parameters, FLOPs, time and memory", text, columns, numbers)


def interval(row: Row, metric: Metric) -> str:
    """The interval of an arm's mean, with a dagger where it leaves out the variation between trainings."""
    return _daggered(metric.between(row[f"{metric.name}_low"], row[f"{metric.name}_high"]), row["limit"])


def seed_spread(row: Row, metric: Metric) -> str:
    """The spread between seeds, or why there is none."""
    if not row["trained"]:
        return "untrained"
    spread = row[f"{metric.name}_seed_sd"]
    return "one seed" if isnan(spread) else number(spread, metric.digits + 1)


def _table(
    comparison: Comparison,
    title: str,
    text: str,
    columns: Columns,
    numbers: Sequence[str],
    *,
    arms: pd.DataFrame | None = None,
    best: bool = False,
) -> Table:
    """A row for each of ``arms`` (default: all), with a column for each of ``columns`` that says anything; with
    ``best``, the rows of the best mean are bold."""
    arms = comparison.arms if arms is None else arms
    rows = [[show(row) for show in columns.values()] for _, row in arms.iterrows()]
    shown = pd.DataFrame(rows, columns=list(columns))
    unknown = [name for name in columns if len(shown) and set(shown[name]) - {"", "no result"} == {NOT_MEASURED}]
    if unknown:
        text += f" Not measured in any arm: {listing([name.strip() for name in unknown])}."
    empty = [name for name in columns if len(shown) and set(shown[name]) == {""}]
    failing = arms[arms["failed_pairs"] > 0]
    if len(failing):
        shown["Arm"] += np.where(arms["failed_pairs"] > 0, " ‡", "")
        told = (f"{arm['arm']} on {arm['failed_pairs']} of {arm['evaluations']}" for _, arm in failing.iterrows())
        text += f" ‡ Failed on pairs that its means leave out: {listing(list(told))}."
    return Table(
        title=title,
        caption=caption(text, comparison.records),
        numbers=arms[["arm", "group", *numbers]].reset_index(drop=True),
        shown=shown.drop(columns=[*unknown, *empty]),
        groups=tuple(arms["group"]),
        short=tuple(arms["arm" if comparison.arms.duplicated(["group", "family"]).any() else "family"]),
        marked=_best(comparison, arms) if best else (),
    )


def _best(comparison: Comparison, arms: pd.DataFrame) -> tuple[bool, ...]:
    """Which of the arms has the best mean, as far as the table shows its decimals."""
    metric = comparison.metric
    means = arms[metric.name].round(metric.digits)
    return tuple(means == (means.max() if metric.higher_is_better else means.min()))


def _titled(name: str) -> str:
    label = KNOWN[name].label
    return label[:1].upper() + label[1:]


def _measured(name: str, row: Row) -> str:
    return _result(row, share(row[name]) if name in FRACTIONS else KNOWN[name].number(row[name]))


def _result(row: Row, text: str) -> str:
    return text if row["seeds"] else ""


def _blocks_better(row: Row) -> str:
    return "" if isnan(row["blocks_better"]) else f"{row['blocks_better']:.0f} of {row['blocks_shared']:.0f}"


def _difference_interval(row: Row, metric: Metric) -> str:
    text = metric.between(row["difference_low"], row["difference_high"], signed=True)
    return _daggered(text, row["difference_limit"])


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
