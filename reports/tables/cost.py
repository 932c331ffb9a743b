"""How regular the fields of each arm are, and what it costs."""

from functools import partial
from math import isnan

from reports.analysis.comparison import Comparison
from reports.records.metric import METRICS_BY_NAME
from reports.records.trial import COST
from reports.tables.arm_table import MEANS, Columns, Row, arm_table, machine, measured, of_network
from reports.tables.table import Table
from reports.wording import count, number, plural, significant


def regularity(comparison: Comparison) -> Table:
    """Surface distances, folding and smoothness of every arm."""
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "HD95 (mm)": lambda row: measured("hd95_mm", row) or "no result",
        "ASSD (mm)": partial(measured, "assd_mm"),
        "Folding fraction": partial(measured, "folding_fraction"),
        "NDV fraction": partial(measured, "ndv_fraction"),
        "SD log J": partial(measured, "sd_log_jacobian"),
        "SD log J (L2R)": partial(measured, "sdlogj_l2r"),
        "Endpoint error (mm)": partial(measured, "endpoint_error_mm"),
    }
    text = (
        f"{MEANS}. HD95 and ASSD are symmetric surface distances; folding fraction is the "
        "share of voxels with a determinant of 0 or less, NDV fraction the non-diffeomorphic volume, SD log J the "
        "standard deviation of the logarithm of the determinant (L2R: as Learn2Reg computes it). Endpoint error needs "
        "a known true deformation."
    )
    suffixes = ("", "_seed_sd", "_low", "_high")
    numbers = [f"{metric}{suffix}" for metric in METRICS_BY_NAME if metric != "dice" for suffix in suffixes]
    return arm_table(comparison, "Surface distances, folding and smoothness", text, columns, numbers)


def cost(comparison: Comparison) -> Table:
    """Size and price of every arm, with ratios to the baseline."""
    columns: Columns = {
        "Arm": lambda row: str(row["arm"]),
        "Plan": _plan,
        "Parameters": lambda row: of_network(row, "parameters", count),
        "ratio": lambda row: _ratio_of_network(row, "parameters_ratio"),
        "GFLOPs": lambda row: of_network(row, "flops", lambda flops: significant(flops / 1e9)),
        "ratio ": lambda row: _ratio_of_network(row, "flops_ratio"),
        "Latency (s)": lambda row: significant(row["latency_s"]),
        "ratio   ": lambda row: _ratio(row["latency_s_ratio"]),
        "Train step (s)": lambda row: of_network(row, "train_step_s", significant),
        "ratio  ": lambda row: _ratio_of_network(row, "train_step_s_ratio"),
        "Memory (MiB)": lambda row: count(row["peak_memory_mib"]),
        "Train memory (MiB)": lambda row: of_network(row, "train_peak_memory_mib", count),
    }
    text = (
        f"Ratios are to {comparison.baseline}. FLOPs are of one forward pass at the padded shape; latency, training "
        f"step and peak memory are measured once per arm{machine(comparison)}; {_load(comparison)}"
    )
    numbers = ["canonical_plan", "parameters", "parameters_ratio", "flops", "flops_ratio", *COST, "latency_s_ratio"]
    numbers += ["train_step_s_ratio", "step_s", "training_s"]
    return arm_table(comparison, "Parameters, FLOPs, time and memory", text, columns, numbers)


def _load(comparison: Comparison) -> str:
    """What is known of what else ran on the machine while the cost was measured."""
    trials = comparison.records.trials.dropna(subset=["cost_latency_s"])
    loads = trials["cost_load_average"].dropna().astype(float)
    if loads.empty:
        return "what else ran on the machine at that time is not recorded."
    lacking = len(trials) - len(loads)
    rest = f"; not recorded for {plural(lacking, 'arm')}" if lacking else ""
    span = f"{loads.min():.1f}" if loads.min() == loads.max() else f"{loads.min():.1f} to {loads.max():.1f}"
    return f"the load average of the machine before each measurement was {span} (0 where nothing else ran){rest}."


def _plan(row: Row) -> str:
    return next((plan for plan in (row["canonical_plan"], row["plan"]) if isinstance(plan, str)), "")


def _ratio_of_network(row: Row, name: str) -> str:
    return "" if row["parameters"] == 0 else _ratio(row[name])


def _ratio(value: float) -> str:
    return "" if isnan(value) else number(value, 2)
