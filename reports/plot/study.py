"""Each figure of a study as one function, from a DataFrame of records (``reports.dataframe.load``) to Axes.

``ax`` is where it is drawn (default: Axes of a new figure), ``primary`` the metric by its name or as a ``Metric`` of
your own, ``baseline`` the arm that others are compared with (default: the one that the study names). ``colours`` and
``labels`` say by arm how it is drawn and what it is called, ``order`` which arms are drawn, from the first to the last,
``legend`` whether the Axes hold one.

All raise what ``reports.dataframe.comparison_of`` raises, and ValueError where there is nothing to draw.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.arms import repeated, with_sizes_of_networks
from reports.analysis.comparison import Comparison, families
from reports.analysis.significance import Certainty, square
from reports.analysis.structures import structure_names
from reports.dataframe import comparison_of
from reports.plots import arms as plots
from reports.plots import groups
from reports.plots import significance as significance_plots
from reports.plots.forest_plot import forest_plot
from reports.plots.gates import gate_weight
from reports.plots.style import new_figure, numbered, style, with_colours
from reports.records.metric import Metric
from reports.records.trial import COST

Names = Mapping[str, str]


def distribution(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", colours: Names | None = None,
    labels: Names | None = None, order: Sequence[str] | None = None,
) -> Axes:  # fmt: skip
    """Boxes and points of the pairs by arm, with the means of the seeds."""
    comparison = _coloured("distribution", records, primary=primary, colours=colours, labels=labels, order=order)
    return plots.pairs_by_arm(_axes(ax), comparison.records.pairs, comparison.evaluated, comparison.metric)


def differences(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", baseline: str | None = None,
    colours: Names | None = None, labels: Names | None = None, order: Sequence[str] | None = None,
) -> Axes:  # fmt: skip
    """Difference of every arm to the baseline with its interval; filled where it is significant.

    Arms that are not trained are drawn where they are in sight of the others.
    """
    comparison = _coloured(
        "differences", records, primary=primary, baseline=baseline, colours=colours, labels=labels, order=order
    )
    return plots.differences(_axes(ax), plots.in_sight(comparison.compared), comparison.baseline, comparison.metric)


def forest(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", baseline: str | None = None,
    colours: Names | None = None, labels: Names | None = None, order: Sequence[str] | None = None,
) -> Axes:  # fmt: skip
    """Mean of every arm with its interval, best first unless there is an ``order``; hollow where it is not trained."""
    comparison = _coloured(
        "forest", records, primary=primary, baseline=baseline, colours=colours, labels=labels, order=order
    )
    arms = comparison.evaluated
    if order is None:
        arms = arms.sort_values(comparison.metric.mean, ascending=not comparison.metric.higher_is_better, kind="stable")
    return forest_plot(_axes(ax), arms, comparison.baseline, comparison.metric)


def side_by_side(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", baseline: str | None = None,
    colours: Names | None = None, labels: Names | None = None, legend: bool = True,
) -> Axes:  # fmt: skip
    """Strategies that are in several groups, with intervals, and the baseline as a line."""
    comparison = _coloured("side_by_side", records, primary=primary, baseline=baseline, colours=colours, labels=labels)
    if repeated(comparison.arms).empty:
        raise ValueError("side_by_side(): 'records' must have a strategy in several groups, got none")
    drawn = groups.side_by_side(_axes(ax), comparison.arms, comparison.baseline, comparison.metric)
    return _named(drawn, repeated(comparison.arms), legend=legend, lines=True)


def against(
    records: pd.DataFrame, column: str, *, ax: Axes | None = None, primary: str | Metric = "dice",
    colours: Names | None = None, labels: Names | None = None, order: Sequence[str] | None = None, legend: bool = True,
) -> Axes:  # fmt: skip
    """The primary metric of the methods against ``column``: ``sd_log_jacobian``, ``parameters``, ``latency_s``."""
    comparison = _coloured("against", records, primary=primary, colours=colours, labels=labels, order=order)
    arms = numbered(with_sizes_of_networks(comparison.methods))
    _require("against", "column", column, [name for name in arms if pd.api.types.is_numeric_dtype(arms[name])])
    if arms[column].isna().all():
        raise ValueError(f"against(): 'column' must be measured in some arm, got {column!r}, which is not")
    label, unit = plots.AXES.get(column, (column, 1.0))
    return _named(
        plots.against(_axes(ax), arms, column, label=label, unit=unit, metric=comparison.metric), arms, legend=legend
    )


def significance(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", labels: Names | None = None,
    order: Sequence[str] | None = None,
) -> Axes:  # fmt: skip
    """Every arm against every other, in colour where the difference is significant after Holm correction."""
    comparison = _coloured("significance", records, primary=primary, labels=labels, order=order)
    pairs = Certainty(comparison).pairs.dropna(subset=["difference"])
    if pairs.empty:
        raise ValueError("significance(): 'records' must have two arms that can be compared, got fewer")
    marked = pairs.assign(significant=pairs["verdict"].isin(["higher", "lower"]).astype(float))
    values = square(pairs, "difference", signed=True)
    significant = square(marked, "significant", signed=False).fillna(0) > 0
    if order is not None:
        kept = [arm for arm in comparison.arms["arm"] if arm in values.index]
        values, significant = values.loc[kept, kept], significant.loc[kept, kept]
    return significance_plots.significance(_axes(ax), values, significant, comparison.metric)


def critical_difference(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", colours: Names | None = None,
    labels: Names | None = None,
) -> Axes:  # fmt: skip
    """Critical-difference diagram over blocks: mean ranks, and bars by Wilcoxon's test with Holm correction."""
    comparison = _coloured("critical_difference", records, primary=primary, colours=colours, labels=labels)
    certainty = Certainty(comparison)
    if not certainty.tested or certainty.friedman.reason:
        raise ValueError("critical_difference(): 'records' must have enough arms and blocks for Friedman's test")
    by_arm = dict(zip(comparison.arms["arm"], comparison.arms["colour"], strict=True))
    chosen = {arm: by_arm[arm] for arm in certainty.ranks.index}
    return significance_plots.critical_difference(_axes(ax), certainty.ranks, certainty.wilcoxon, chosen)


def stability(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice", labels: Names | None = None
) -> Axes:
    """How often each arm takes each rank in a crossed bootstrap of blocks and seeds."""
    certainty = Certainty(_coloured("stability", records, primary=primary, labels=labels))
    if certainty.stability.empty:
        raise ValueError("stability(): 'records' must have two arms and two shared blocks, got fewer")
    ranked = list(certainty.ranks.sort_values(kind="stable").index)
    return significance_plots.stability(_axes(ax), certainty.stability.loc[ranked])


def structures(
    labels: pd.DataFrame, *, ax: Axes | None = None, colours: Names | None = None, order: Sequence[str] | None = None,
    legend: bool = True,
) -> Axes:  # fmt: skip
    """Mean Dice of each structure by arm, from records by label (``load(..., kind="labels")``)."""
    arms = _arms_of("structures", labels, colours, order)
    named = labels.assign(structure=structure_names(labels))
    named = named[named["arm"].isin(arms["arm"])]
    return _named(plots.structures(_axes(ax), named, arms), arms, legend=legend)


def training(
    history: pd.DataFrame, column: str = "val_dice", *, ax: Axes | None = None, colours: Names | None = None,
    order: Sequence[str] | None = None, legend: bool = True,
) -> Axes:  # fmt: skip
    """A column of the training history by step, mean and range over seeds (``load(..., kind="history")``)."""
    arms = _arms_of("training", history, colours, order)
    facts = {"seed", "parameters", "flops", "step"} | {f"cost_{name}" for name in COST}
    columns = [str(name) for name in history if pd.api.types.is_float_dtype(history[name]) and name not in facts]
    _require("training", "column", column, columns)
    drawn = plots.training_curve(_axes(ax), history, arms, column)
    drawn.set(xlabel="Step", ylabel=plots.AXES.get(column, (column, 1.0))[0])
    return _named(drawn, arms, legend=legend, lines=True)


def gates(
    gates: pd.DataFrame, stage: int, *, ax: Axes | None = None, colours: Names | None = None,
    order: Sequence[str] | None = None, legend: bool = True,
) -> Axes:  # fmt: skip
    """Weight of the joint path at a stage over training (``load(..., kind="gates")``)."""
    arms = _arms_of("gates", gates, colours, order)
    _require("gates", "stage", stage, sorted(int(number) for number in gates["stage"].unique()))
    drawn = gate_weight(_axes(ax), gates, arms, stage)
    drawn.set(xlabel="Step", ylabel="Weight of joint path")
    return _named(drawn, arms, legend=legend, lines=True)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    with style():
        return new_figure(3.2).subplots()


def _named(ax: Axes, arms: pd.DataFrame, *, legend: bool, lines: bool = False) -> Axes:
    """With a legend inside that says which colour is which strategy."""
    if legend:
        ax.legend(handles=plots.legend(arms, groups=not lines)[0], loc="best")
    return ax


def _coloured(
    function: str, records: pd.DataFrame, *, primary: str | Metric, baseline: str | None = None,
    colours: Names | None = None, labels: Names | None = None, order: Sequence[str] | None = None,
) -> Comparison:  # fmt: skip
    if not len(records):
        raise ValueError(f"{function}(): 'records' must have rows, got none")
    comparison = comparison_of(records, primary=primary, baseline=baseline)
    if comparison.evaluated.empty or comparison.evaluated[comparison.metric.name].isna().all():
        raise ValueError(
            f"{function}(): 'primary' must be measured in some pair, got {comparison.metric.name!r}, which is not"
        )
    arms = with_colours(
        comparison.arms, comparison.baseline, colours=_require_arms(function, "colours", colours, comparison.arms)
    )
    comparison = replace(comparison, arms=_chosen(function, arms, order))
    return _relabelled(function, comparison, labels) if labels else comparison


def _relabelled(function: str, comparison: Comparison, labels: Names) -> Comparison:
    """With arms under the names that the caller gives them."""
    names = {arm: arm for arm in comparison.arms["arm"]} | dict(
        _require_arms(function, "labels", labels, comparison.arms)
    )
    if len(set(names.values())) < len(names):
        raise ValueError(f"{function}(): 'labels' must call every arm differently, got {sorted(names.values())}")
    renamed = {
        name: table.assign(arm=table["arm"].map(names))
        for name in ("arms", "trials", "pairs")
        for table in [getattr(comparison.records, name)]
    }
    arms = comparison.arms.assign(arm=comparison.arms["arm"].map(names))
    records = replace(comparison.records, **renamed)
    return replace(comparison, records=records, arms=arms, baseline=names.get(comparison.baseline, comparison.baseline))


def _chosen(function: str, arms: pd.DataFrame, order: Sequence[str] | None) -> pd.DataFrame:
    if order is None:
        return arms
    _require_arms(function, "order", dict.fromkeys(order, ""), arms)
    return arms.set_index("arm", drop=False).loc[list(order)].reset_index(drop=True)


def _require_arms(function: str, argument: str, given: Names | None, arms: pd.DataFrame) -> Names:
    """``given``, whose keys are arms."""
    for name in given or {}:
        _require(function, argument, name, list(arms["arm"]))
    return given or {}


def _require(function: str, argument: str, value: object, choices: Iterable[object]) -> None:
    if value not in (names := list(choices)):
        raise ValueError(
            f"{function}(): {argument!r} must be of {', '.join(map(str, names)) or 'nothing'}, got {value!r}"
        )


def _arms_of(function: str, records: pd.DataFrame, colours: Names | None, order: Sequence[str] | None) -> pd.DataFrame:
    """The arms in records without pairs, in the colours that they have in the other figures."""
    if not len(records):
        raise ValueError(f"{function}(): 'records' must have rows, got none")
    arms = records.drop_duplicates("arm").reset_index(drop=True)
    arms = arms.assign(label=arms["arm_label"], trained=arms["trained"].astype(bool))
    arms = arms.assign(family=families(arms, arms))
    coloured = with_colours(
        arms, str(arms["reference"].iloc[0]), colours=_require_arms(function, "colours", colours, arms)
    )
    return _chosen(function, coloured, order)
