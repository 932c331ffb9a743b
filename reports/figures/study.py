"""The figures of a study, composed and captioned; where there is nothing to draw, a sentence says why."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.analysis.arms import repeated
from reports.analysis.comparison import Comparison
from reports.analysis.structures import structure_names
from reports.analysis.weight_sweeps import with_fronts
from reports.figures.captioned import CaptionedFigure, new_figure
from reports.plots import arms as plots
from reports.plots.gates import gate_weight, weight_limits
from reports.plots.groups import side_by_side
from reports.plots.style import INK, as_label, style, with_colours
from reports.records.metric import Metric
from reports.tables.table import caption
from reports.wording import listing, number

MOST_STRUCTURES = 24
STIFF = 1e-3
"""SD of the log determinant below which a field does not deform: identity, affine."""
# How much stands in a line of a legend, and how high one is, in inches.
LEGEND_CHARACTERS, LEGEND_LINE = 110, 0.18


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
        "Each point is a pair, averaged over seeds; boxes hold the middle half, black ticks are the means of the seeds."
    )
    alt = f"Box plot of the pairs' {metric.title}. Median by arm: " + _values(arms, f"{metric.name}_median", metric)
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def differences(comparison: Comparison) -> CaptionedFigure:
    """Differences to the baseline with intervals."""
    captioned = CaptionedFigure(name="differences", title=f"Difference to {comparison.baseline}")
    compared, metric = comparison.compared, comparison.metric
    arms = _in_sight(compared.dropna(subset=["difference"]))
    if arms.empty:
        return replace(captioned, caption="No arm has a difference to the baseline: nothing is drawn.")
    figure = new_figure(0.7 + 0.32 * len(arms))
    plots.differences(figure.subplots(), arms, comparison.baseline, metric)
    left_out = compared[~compared["arm"].isin(arms["arm"])]["arm"]
    text = (
        f"Intervals are each at 95 % by itself, {_over(arms['difference_limit'])}. A filled marker is a difference "
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


def _in_sight(compared: pd.DataFrame) -> pd.DataFrame:
    """Trained arms, and others that do not lie beyond the intervals of all of those."""
    trained = compared[compared["trained"]]
    if trained.empty:
        return compared
    ends = trained[["difference_low", "difference", "difference_high"]]
    lowest, highest = min(0.0, float(ends.min().min())), max(0.0, float(ends.max().max()))
    return compared[compared["trained"] | compared["difference"].between(lowest, highest)]


def regularity(comparison: Comparison) -> CaptionedFigure:
    """The primary metric against how regular the fields are, with a front where a weight of the loss was varied."""
    panels = (("sd_log_jacobian", "SD of log determinant", 1.0), ("folding_fraction", "Folding fraction / 10⁻⁴", 1e-4))
    fronts = with_fronts(comparison.records.definition, comparison.arms)
    arms = replace(comparison, arms=fronts).evaluated
    arms = _numbered(arms[arms["trained"] | (arms["sd_log_jacobian"] > STIFF)])
    text = (
        ""
        if arms["trained"].all()
        else " Numerals: arms that are not trained, and deform; the table has their intervals."
    )
    if fronts["front"].notna().any():
        text += f" A line joins the arms of one strategy that differ in {fronts['varied'].dropna().iloc[0]} alone."
    return _against(comparison, arms, "regularity", f"{comparison.metric.title} against regularity", panels, text)


def _numbered(arms: pd.DataFrame) -> pd.DataFrame:
    """``arms`` with a numeral as marker where one is not trained: those share one colour."""
    numerals = (~arms["trained"]).cumsum().map("${}$".format)
    trained = arms["trained"]
    return arms.assign(marker=arms["marker"].where(trained, numerals), colour=arms["colour"].where(trained, INK))


def groups(comparison: Comparison) -> CaptionedFigure:
    """Strategies that are in several groups, side by side."""
    metric, arms = comparison.metric, repeated(comparison.arms)
    captioned = CaptionedFigure(name="groups", title="Strategies by group")
    if arms[metric.name].isna().all():
        return replace(captioned, caption="No strategy is in several groups: nothing is drawn.")
    figure = new_figure(3.0)
    side_by_side(figure.subplots(), comparison.arms, comparison.baseline, metric)
    _legend(figure, arms, groups=False)
    text = (
        f"Means over blocks with 95 % intervals, {_over(arms['limit'])}. A line joins the arms of one strategy. "
        f"Dashed: {comparison.baseline}."
    )
    alt = f"Mean {metric.title} by group. {_values(arms, f'{metric.name}_blocks', metric)}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def price(comparison: Comparison) -> CaptionedFigure:
    """The primary metric against how large, how dear and how slow an arm is."""
    panels = (
        ("parameters", "Parameters (millions)", 1e6),
        ("flops", "Forward FLOPs (G)", 1e9),
        ("latency_s", "Latency (s)", 1.0),
    )
    arms, title = comparison.evaluated, f"{comparison.metric.title} against parameters, FLOPs and latency"
    return _against(comparison, arms[arms["trained"]], "price", title, panels, " Trained arms only.")


def training(comparison: Comparison) -> CaptionedFigure:
    """Validation Dice and training loss by step, a column a group of arms."""
    captioned = CaptionedFigure(name="training", title="Training curves")
    history, arms = comparison.records.history, comparison.arms
    shown = arms[arms["arm"].isin(history["arm"])]
    if shown.empty:
        return replace(captioned, caption="No trial has a history: nothing is drawn.")
    groups = list(shown["group"].unique())
    figure = new_figure(4.2)
    axes = figure.subplots(2, len(groups), sharex=True, sharey="row", squeeze=False)
    baseline = shown[shown["arm"] == comparison.baseline]
    for group, column in zip(groups, axes.T, strict=True):
        inside = shown[shown["group"] == group]
        beside = baseline if group not in set(baseline["group"]) else baseline.iloc[:0]
        drawn, faint = pd.concat([beside, inside]), list(beside["arm"])
        for ax, name in zip(column, ("val_dice", "loss"), strict=True):
            plots.training_curve(ax, history, drawn, name, faint=faint)
        column[0].set_title(as_label(group))
        column[1].set_xlabel("Step")
    axes[0, 0].set_ylabel("Val Dice")
    axes[1, 0].set_ylabel("Training loss")
    _legend(figure, shown, groups=False)
    text = "Line: mean over seeds; band: their range. Validation Dice is of the val split at steps fixed by the budget."
    if len(groups) > 1:
        text += f" Dashed: {comparison.baseline}, repeated for comparison."
    final = history.dropna(subset=["val_dice"]).sort_values("step").groupby(["arm", "seed"])["val_dice"].last()
    last = final.groupby("arm").mean().reindex(shown["arm"]).dropna()
    values = "; ".join(f"{arm} {number(value)}" for arm, value in last.items())
    alt = f"Line plots of validation Dice and training loss by step. Last validation Dice: {values}"
    return replace(captioned, caption=text, alt=alt, figure=figure)


def gates(comparison: Comparison) -> CaptionedFigure:
    """Weight of the joint path at each stage over training."""
    captioned = CaptionedFigure(name="gates", title="Gate weights by stage over training")
    table, arms = comparison.records.gates, comparison.arms
    shown = arms[arms["arm"].isin(table["arm"])]
    if shown.empty:
        return replace(captioned, caption="No trial has a live gate, or none was read: nothing is drawn.")
    stages = sorted(int(stage) for stage in table["stage"].unique())
    figure = new_figure(2.2 if len(shown) == 1 else 2.5)
    axes = figure.subplots(1, len(stages), sharex=True, sharey=True, squeeze=False)[0]
    for ax, stage in zip(axes, stages, strict=True):
        gate_weight(ax, table, shown, stage)
        ax.locator_params(axis="x", nbins=2)
    axes[0].set_ylim(*weight_limits(table[["joint_weight", "single_weight"]].to_numpy()))
    axes[0].set_ylabel("Weight of joint path")
    figure.supxlabel("Step", fontsize=9)
    if len(shown) > 1:
        _legend(figure, shown, groups=False)
    text = (
        "Mean weight that the gate gives to the joint path, over voxels, channels and val pairs; the rest goes to the "
        "single-image path. Line: mean over seeds; band: their range; dotted: 0.5, no preference. "
        f"{'Arm' if len(shown) == 1 else 'Arms'}: {listing(list(shown['arm']))}. A dashed line, where there is one, is "
        "the weight of the single-image path of gates whose two weights are free."
    )
    last = table[table["step"] == table["step"].max()].groupby("stage")["joint_weight"].mean()
    values = "; ".join(f"stage {stage} {number(value, 2)}" for stage, value in last.items())
    alt = f"Line plots of the joint path's gate weight by step, a panel a stage. Last values: {values}"
    return replace(captioned, caption=text, alt=alt, figure=figure)


def structures(comparison: Comparison) -> CaptionedFigure:
    """Dice by structure and arm."""
    captioned = CaptionedFigure(name="structures", title="Dice by structure and arm")
    labels, arms = comparison.records.labels, comparison.evaluated
    trained = arms[arms["trained"]] if arms["trained"].any() else arms
    if labels.empty or not trained["arm"].isin(labels["arm"]).any():
        return replace(captioned, caption="No labels.csv was found: nothing is drawn by structure.")
    shown = trained[trained["arm"].isin(labels["arm"])]
    named = labels.assign(structure=structure_names(labels))
    named = named[named["arm"].isin(shown["arm"])]
    means = named.groupby(["structure", "arm"], sort=False)["dice"].mean().unstack("arm")
    chosen = (means.max(axis=1) - means.min(axis=1)).nlargest(MOST_STRUCTURES).index
    drawn = named[named["structure"].isin(chosen)]
    figure = new_figure(1.0 + len(chosen) * max(0.26, 0.1 * len(shown)))
    plots.structures(figure.subplots(), drawn, shown)
    _legend(figure, shown)
    text = "Mean over pairs and seeds; lines are the range of the seeds' means."
    if len(means) > len(chosen):
        text += f" The {len(chosen)} of {len(means)} structures on which arms differ most; the table has all."
    best = "; ".join(
        f"{name}: highest {row.idxmax()} {number(row.max())}" for name, row in means.loc[chosen].iterrows()
    )
    alt = f"Dot plot of mean Dice by structure and arm. {best}"
    return replace(captioned, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _against(
    comparison: Comparison, arms: pd.DataFrame, name: str, title: str, panels: tuple[tuple[str, str, float], ...],
    more: str = "",
) -> CaptionedFigure:  # fmt: skip
    metric = comparison.metric
    panels = tuple(panel for panel in panels if panel[0] != metric.name)
    measured = [panel for panel in panels if arms[panel[0]].notna().any() and (arms[panel[0]] != 0).any()]
    zero = [label.split(" /")[0] for column, label, _ in panels if len(arms) and (arms[column] == 0).all()]
    if arms[metric.name].isna().all() or not measured:
        return CaptionedFigure(name=name, title=title, caption="No arm has these figures: nothing is drawn.")
    figure = new_figure(3.2)
    for ax, (column, label, unit) in zip(
        np.atleast_1d(figure.subplots(1, len(measured), sharey=True)), measured, strict=True
    ):
        plots.against(ax, arms, column, label=label, unit=unit, metric=metric)
        ax.label_outer()
    _legend(figure, arms)
    over = _over(arms[arms["trained"]]["limit"]) if arms["trained"].any() else "over blocks"
    text = f"Means over blocks; lines are 95 % intervals, {over}.{more}"
    text += f" {listing(zero)}: 0 in every arm, not drawn." if zero else ""
    columns = listing([label for _, label, _ in measured])
    means = _values(arms, f"{metric.name}_blocks", metric)
    alt = f"Scatter plots of mean {metric.title} against {columns}. Mean {metric.title}: {means}"
    return CaptionedFigure(name=name, title=title, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _over(limits: "pd.Series[str]") -> str:
    """What intervals are over, given the limits of the arms they are of."""
    alone = limits == "one seed"
    if alone.all():
        return "over blocks alone, conditional on one trained network each"
    return "over blocks crossed with seeds" + (" (over blocks alone where there is one seed)" if alone.any() else "")


def _legend(figure: Figure, arms: pd.DataFrame, *, groups: bool = True) -> None:
    """Rows of families and, with ``groups``, a row of groups, above the panels; the figure grows with them."""
    rows = [row for row in plots.legend(arms, groups=groups) if len(row) > 1]
    if not rows:
        return
    longest = max(len(line) for row in rows for handle in row for line in str(handle.get_label()).split("\n"))
    columns = min(max(map(len, rows)), max(1, LEGEND_CHARACTERS // (longest + 4)))
    lines = [row[start : start + columns] for row in rows for start in range(0, len(row), columns)]
    nothing = Line2D([], [], linestyle="none", label=" ")
    padded = [[*line, *[nothing] * (columns - len(line))] for line in lines]
    # A legend is filled column by column.
    handles = [handle for column in zip(*padded, strict=True) for handle in column]
    wrapped = sum(max(str(handle.get_label()).count("\n") for handle in line) for line in lines)
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * (len(lines) - len(rows) + wrapped))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.4, handletextpad=0.4)


def _values(arms: pd.DataFrame, column: str, metric: Metric) -> str:
    return "; ".join(f"{arm} {metric.number(value)}" for arm, value in zip(arms["arm"], arms[column], strict=True))


def _intervals(arms: pd.DataFrame) -> Iterator[tuple[str, float, float, float]]:
    yield from arms[["arm", "difference", "difference_low", "difference_high"]].itertuples(index=False, name=None)
