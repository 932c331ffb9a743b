"""The figures of a study, composed and captioned; where there is nothing to draw, a sentence says why."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.analysis.arms import repeated, with_sizes_of_networks, without_optimised
from reports.analysis.comparison import Comparison
from reports.analysis.simultaneous import with_simultaneous
from reports.analysis.structures import structure_names
from reports.analysis.weight_sweeps import with_fronts
from reports.figures.against import against_columns, intervals_over, legend_above, values_by_arm
from reports.figures.captioned import CaptionedFigure
from reports.plots import arms as plots
from reports.plots.gates import EQUAL, gate_weight, weight_limits
from reports.plots.groups import MOST_BESIDE, side_by_side
from reports.plots.style import (
    LABEL_WIDTH,
    LETTER,
    as_label,
    is_narrow,
    new_figure,
    numbered,
    panels,
    style,
    with_colours,
    with_line_styles,
)
from reports.records.files import as_object
from reports.tables.table import caption
from reports.wording import listing, number, plural

MOST_STRUCTURES, MOST_SIDE_BY_SIDE, MOST_COLUMNS = 24, 8, 24
NUMERALS = "Numerals: arms that are not trained (the table has their intervals)"
MOST_ACROSS = 6
"""Groups of arms side by side; those of more stand in several rows."""
LEAST_SD_LOG_JACOBIAN = 1e-3
"""SD of the log determinant below which a field does not deform: identity, affine."""


def study_figures(comparison: Comparison) -> Iterator[CaptionedFigure]:
    """Every figure of the arms, one at a time."""
    comparison = replace(comparison, arms=with_colours(comparison.arms, comparison.baseline))
    for draw in (pairs_by_arm, differences, groups, regularity, price, training, gates, structures):
        with style():
            yield draw(comparison)


def pairs_by_arm(comparison: Comparison) -> CaptionedFigure:
    """Distribution of the primary metric over pairs."""
    metric = comparison.metric
    captioned = CaptionedFigure(name="distribution", title=f"{metric.title} of the pairs")
    arms, pairs = comparison.evaluated, comparison.records.pairs
    if arms[metric.name].isna().all():
        return replace(captioned, caption=f"No pair has a {metric.title}: nothing is drawn.")
    figure = new_figure(0.6 + 0.36 * len(arms))
    plots.pairs_by_arm(figure.subplots(), pairs, arms, metric)
    text = (
        "Each point is a pair, averaged over seeds; boxes hold the middle half, black ticks are the means of the seeds "
        f"over pairs{_apart_from_tables(comparison)}."
    )
    alt = f"Box plot of the pairs' {metric.title}. Median by arm: " + values_by_arm(
        arms, f"{metric.name}_median", metric
    )
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _apart_from_tables(comparison: Comparison) -> str:
    """In what the middle of a box and its ticks are not the numbers of the tables."""
    parts = ["not over blocks, as in the first figure"] if comparison.blocks_differ else []
    if (comparison.evaluated["seeds"] > 1).any():
        parts += ["the line in a box is the median of these points, where the table has the mean of the seeds' medians"]
    return "".join(f"; {part}" for part in parts)


def differences(comparison: Comparison) -> CaptionedFigure:
    """Differences to the baseline with intervals."""
    captioned = CaptionedFigure(name="differences", title=f"Difference to {comparison.baseline}")
    compared, metric = comparison.compared, comparison.metric
    arms = with_simultaneous(plots.in_sight(compared.dropna(subset=["difference"])), compared)
    if arms.empty:
        return replace(captioned, caption="No arm has a difference to the baseline: nothing is drawn.")
    figure = new_figure(0.7 + 0.32 * len(arms))
    plots.differences(figure.subplots(), arms, comparison.baseline, metric)
    left_out = compared[~compared["arm"].isin(arms["arm"])]["arm"]
    text = (
        f"Thick lines: intervals each at 95 % by itself, {intervals_over(arms['difference_limit'])}; thin lines: "
        "intervals that hold at 95 % for all comparisons at once (Bonferroni). A filled marker is a difference "
        "that is significant after Holm correction; a hollow one is not, which does not show the arms to be equal."
    )
    if len(left_out):
        text += f" Not drawn, far off or without a value: {listing(list(left_out))} (see the table)."
    sentences = (
        f"{arm}: {metric.number(d, signed=True)} ({metric.between(low, high, signed=True)})"
        for arm, d, low, high in _intervals(arms)
    )
    alt = f"Dot plot of differences in mean {metric.title} to {comparison.baseline} with 95 % intervals. "
    return replace(captioned, caption=caption(text, comparison.records), alt=alt + "; ".join(sentences), figure=figure)


def regularity(comparison: Comparison) -> CaptionedFigure:
    """The primary metric against how regular the fields are, with a front where a weight of the loss was varied."""
    columns = ("sd_log_jacobian", "folding_fraction")
    fronts = with_fronts(comparison.records.definition, comparison.arms)
    arms = replace(comparison, arms=fronts).evaluated
    arms = numbered(arms[arms["trained"] | (arms["sd_log_jacobian"] > LEAST_SD_LOG_JACOBIAN)])
    text = "" if arms["trained"].all() else f" {NUMERALS}, and deform."
    if fronts["front"].notna().any():
        text += f" A line joins the arms of one strategy that differ in {fronts['varied'].dropna().iloc[0]} alone."
    return against_columns(
        comparison, arms, "regularity", f"{comparison.metric.title} against regularity", columns, text
    )


def groups(comparison: Comparison) -> CaptionedFigure:
    """Strategies that are in several groups, side by side."""
    metric, arms = comparison.metric, repeated(comparison.arms)
    captioned = CaptionedFigure(name="groups", title="Strategies by group")
    if arms[metric.name].isna().all():
        return replace(captioned, caption="No strategy is in several groups: nothing is drawn.")
    figure = new_figure(3.0 if arms["group"].nunique() <= MOST_BESIDE else 4.8)
    side_by_side(figure.subplots(), comparison.arms, comparison.baseline, metric)
    legend_above(figure, arms, groups=False)
    text = (
        f"Means over blocks with 95 % intervals, {intervals_over(arms['limit'])}. A line joins the arms of one "
        f"strategy. Dashed: {comparison.baseline}."
    )
    alt = f"Mean {metric.title} by group. {values_by_arm(arms, f'{metric.name}_blocks', metric)}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def price(comparison: Comparison) -> CaptionedFigure:
    """The primary metric against how large, how dear and how slow an arm is; what is not trained has no size."""
    columns = ("parameters", "flops", "latency_s")
    arms, title = comparison.methods, f"{comparison.metric.title} against parameters, FLOPs and latency"
    more = "" if arms["trained"].all() else f" {NUMERALS}; only their latency is drawn, since they have no parameters."
    return against_columns(comparison, numbered(with_sizes_of_networks(arms)), "price", title, columns, more)


def training(comparison: Comparison) -> CaptionedFigure:
    """Validation Dice by step, one column per group of arms, and the training loss where all arms minimise the same."""
    captioned = CaptionedFigure(name="training", title="Training curves")
    history, arms = comparison.records.history, without_optimised(comparison.arms)
    shown = arms[arms["arm"].isin(history["arm"])]
    if shown.empty:
        return replace(captioned, caption="No trial has a history: nothing is drawn.")
    rows = ("val_dice", "loss") if _same_loss(comparison, shown) else ("val_dice",)
    groups = list(shown["group"].unique())
    shown = with_line_styles(shown, by="family")
    figure, across, cells = _panels_of_groups(len(groups), len(rows))
    baseline = shown[shown["arm"] == comparison.baseline]
    for place, (group, cell) in enumerate(zip(groups, cells, strict=True)):
        inside = shown[shown["group"] == group]
        beside = baseline if group not in set(baseline["group"]) else baseline.iloc[:0]
        drawn, faint = pd.concat([beside, inside]), list(beside["arm"])
        for ax, name, label in zip(cell, rows, ("Val Dice", "Training loss"), strict=False):
            plots.training_curve(ax, history, drawn, name, faint=faint)
            ax.set_ylabel(label if place % across == 0 else "")
            ax.locator_params(axis="x", nbins=5 if across < 4 else 2)
        cell[0].set_title(as_label(group, width=90 // min(len(groups), MOST_ACROSS)))
        if place + across >= len(groups):
            cell[-1].set_xlabel("Step")
            cell[-1].tick_params(labelbottom=True)
    legend_above(figure, shown, groups=False)
    text = f"Line: mean over seeds; band: their range. {_validated(comparison)}"
    if len(groups) > 1:
        text += f" Dashed and thin: {comparison.baseline}, repeated for comparison."
    if len(rows) == 1:
        text += " Training losses are not drawn: the arms minimise different ones, so that they cannot be compared."
    final = history.dropna(subset=["val_dice"]).sort_values("step").groupby(["arm", "seed"])["val_dice"].last()
    last = final.groupby("arm").mean().reindex(shown["arm"]).dropna()
    values = "; ".join(f"{arm} {number(value)}" for arm, value in last.items())
    alt = f"Line plots of validation Dice and training loss by step. Last validation Dice: {values}"
    return replace(captioned, caption=text, alt=alt, figure=figure)


def _panels_of_groups(groups: int, rows: int) -> tuple[Figure, int, list[list[Axes]]]:
    """A figure, how many groups of arms stand side by side in it, and the panels of each group, one below the other."""
    if is_narrow() and groups < MOST_ACROSS:
        figure = new_figure(1.8 * groups)
        return figure, 1, figure.subplots(groups, rows, sharex=True, sharey="col", squeeze=False).tolist()
    across = 2 if is_narrow() else min(groups, MOST_ACROSS)
    below = -(-groups // across)
    figure = new_figure((2.1 if below == 1 else 1.6) * rows * below)
    axes = figure.subplots(rows * below, across, sharex=True, sharey="row" if rows > 1 else True, squeeze=False)
    cells = [
        [axes[start + row, column] for row in range(rows)]
        for start in range(0, rows * below, rows)
        for column in range(across)
    ]
    for ax in (ax for cell in cells[groups:] for ax in cell):
        ax.set_visible(False)
    return figure, across, cells[:groups]


def _validated(comparison: Comparison) -> str:
    """What the curves are of, and why they do not end where the tables stand."""
    budget = as_object(comparison.records.definition.get("budget"))
    count, pairs = budget.get("validation_pairs"), int(comparison.evaluated["pairs"].max() or 0)
    text = "Validation Dice is of the val split at steps fixed by the budget"
    if not isinstance(count, int) or (count >= pairs and comparison.records.split == "val"):
        return f"{text}, a mean over pairs."
    return (
        f"{text}, a mean over {plural(count, 'pair')} of it, so that a curve does not end at the mean of the tables, "
        f"which are over all {plural(pairs, 'pair')} of {comparison.records.split}."
    )


def _same_loss(comparison: Comparison, arms: pd.DataFrame) -> bool:
    """Whether all arms are said to minimise the same loss by the same kind of method."""
    planned = [as_object(arm) for arm in comparison.records.definition.get("arms") or []]
    losses = {str(arm.get("label")): json.dumps(as_object(arm.get("method")).get("loss")) for arm in planned}
    kinds = {(losses.get(label, ""), method) for label, method in zip(arms["label"], arms["method"], strict=True)}
    return len(kinds) == 1


def gates(comparison: Comparison) -> CaptionedFigure:
    """Weight of the joint path at each stage over training."""
    captioned = CaptionedFigure(name="gates", title="Gate weights by stage over training")
    table, arms = comparison.records.gates, without_optimised(comparison.arms)
    shown = arms[arms["arm"].isin(table["arm"])]
    if shown.empty:
        return replace(captioned, caption="No trial has a live gate, or none was read: nothing is drawn.")
    stages = sorted(int(stage) for stage in table["stage"].unique())
    shown = with_line_styles(shown)
    figure, axes = panels(2.2 if len(shown) == 1 else 2.5, len(stages), sharex=True, sharey=True)
    for ax, stage in zip(axes, stages, strict=True):
        gate_weight(ax, table, shown, stage)
        ax.locator_params(axis="x", nbins=2)
    axes[0].set_ylim(*weight_limits(table[["joint_weight", "single_weight"]].to_numpy()))
    axes[0].set_ylabel("Weight of joint path")
    figure.supxlabel("Step", fontsize=9)
    if len(shown) > 1:
        legend_above(figure, shown.assign(family=shown["arm"]), groups=False)
    text = (
        "Mean weight that the gate gives to the joint path, over voxels, channels and val pairs. Line: mean over "
        f"seeds; band: their range. {EQUAL} {'Arm' if len(shown) == 1 else 'Arms'}: {'; '.join(shown['arm'])}. A thin "
        "line, where there is one, is the weight of the single-image path of gates whose weights are free."
    )
    last = table[table["step"] == table["step"].max()].groupby("stage")["joint_weight"].mean()
    values = "; ".join(f"stage {stage} {number(value, 2)}" for stage, value in last.items())
    alt = f"Line plots of the joint path's gate weight by step, one panel per stage. Last values: {values}"
    return replace(captioned, caption=text, alt=alt, figure=figure)


def structures(comparison: Comparison) -> CaptionedFigure:
    """Dice by structure and arm: points, or colours where there are many arms."""
    captioned = CaptionedFigure(name="structures", title="Dice by structure and arm")
    labels, arms = comparison.records.labels, comparison.evaluated
    trained = arms[arms["trained"]] if arms["trained"].any() else arms
    if labels.empty or not trained["arm"].isin(labels["arm"]).any():
        return replace(captioned, caption="No labels.csv was found: nothing is drawn by structure.")
    shown = trained[trained["arm"].isin(labels["arm"])]
    left_out = max(0, len(shown) - MOST_COLUMNS)
    if left_out:
        order = shown[comparison.metric.mean].sort_values(ascending=not comparison.metric.higher_is_better).index
        shown = shown[shown.index.isin(order[:MOST_COLUMNS])]
    named = labels.assign(structure=structure_names(labels))
    named = named[named["arm"].isin(shown["arm"])]
    means = named.groupby(["structure", "arm"], sort=False)["dice"].mean().unstack("arm")[list(shown["arm"])]
    chosen = (means.max(axis=1) - means.min(axis=1)).nlargest(MOST_STRUCTURES).index
    if len(shown) > MOST_SIDE_BY_SIDE:
        letters = min(shown["arm"].str.len().max(), 24 if len(shown) <= plots.MOST_IN_TWO_LINES else LABEL_WIDTH)
        figure = new_figure(0.7 + LETTER * letters + 0.26 * len(chosen))
        plots.structures_in_colour(figure.subplots(), means.loc[[name for name in means.index if name in chosen]])
        text = "Mean over pairs and seeds, less the mean of the arms on each structure. The table has the values."
    else:
        figure = new_figure(1.0 + len(chosen) * max(0.26, 0.1 * len(shown)))
        plots.structures(figure.subplots(), named[named["structure"].isin(chosen)], shown)
        legend_above(figure, shown)
        several = named.groupby("arm")["seed"].nunique().max() > 1
        text = "Mean over pairs and seeds" + (
            "; lines are the range of the seeds' means." if several else ", one seed."
        )
    if left_out:
        text += f" The {MOST_COLUMNS} best of {MOST_COLUMNS + left_out} arms; the table has all."
    if len(means) > len(chosen):
        text += f" The {len(chosen)} of {len(means)} structures on which arms differ most; the table has all."
    best = "; ".join(
        f"{name}: highest {row.idxmax()} {number(row.max())}" for name, row in means.loc[chosen].iterrows()
    )
    alt = f"Dice by structure and arm. {best}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _intervals(arms: pd.DataFrame) -> Iterator[tuple[str, float, float, float]]:
    yield from arms[["arm", "difference", "difference_low", "difference_high"]].itertuples(index=False, name=None)
