"""Each figure of the report as one function, from a DataFrame of records (``reports.frame.load``) to Axes.

``ax`` is where it is drawn (default: Axes of a new figure), ``primary`` the metric, ``baseline`` the arm that others
are compared with (default: the one that the study names). All raise what ``reports.dataframe.comparison_of`` raises.
"""

from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.comparison import Comparison
from reports.analysis.significance import Certainty, square
from reports.analysis.structures import structure_names
from reports.dataframe import comparison_of
from reports.figures.captioned import new_figure
from reports.plots import arms as plots
from reports.plots import groups
from reports.plots import significance as significance_plots
from reports.plots.gates import gate_weight
from reports.plots.style import style, with_colours


def distribution(records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice") -> Axes:
    """Boxes and points of the pairs by arm, with the means of the seeds."""
    comparison = _coloured(records, primary=primary)
    return plots.pairs_by_arm(_axes(ax), comparison.records.pairs, comparison.evaluated, comparison.metric)


def differences(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice", baseline: str | None = None
) -> Axes:
    """Difference of every arm to the baseline with its interval; filled where it is significant."""
    comparison = _coloured(records, primary=primary, baseline=baseline)
    return plots.differences(_axes(ax), comparison.compared, comparison.baseline, comparison.metric)


def side_by_side(
    records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice", baseline: str | None = None
) -> Axes:
    """Strategies that are in several groups, with intervals, and the baseline as a line."""
    comparison = _coloured(records, primary=primary, baseline=baseline)
    return groups.side_by_side(_axes(ax), comparison.arms, comparison.baseline, comparison.metric)


def against(records: pd.DataFrame, column: str, *, ax: Axes | None = None, primary: str = "dice") -> Axes:
    """The primary metric of the trained arms against ``column``: ``sd_log_jacobian``, ``parameters``, ``latency_s``."""
    comparison = _coloured(records, primary=primary)
    trained = comparison.arms[comparison.arms["trained"]]
    return _named(plots.against(_axes(ax), trained, column, label=column, metric=comparison.metric), trained)


def significance(records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice") -> Axes:
    """Every trained arm against every other, in colour where the difference is significant after Holm correction."""
    comparison = _coloured(records, primary=primary)
    pairs = Certainty(comparison).pairs.dropna(subset=["difference"])
    marked = pairs.assign(significant=pairs["verdict"].isin(["higher", "lower"]).astype(float))
    significant = square(marked, "significant", signed=False).fillna(0) > 0
    return significance_plots.significance(
        _axes(ax), square(pairs, "difference", signed=True), significant, comparison.metric
    )


def critical_difference(records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice") -> Axes:
    """Critical-difference diagram over blocks: mean ranks, and bars by Wilcoxon's test with Holm correction."""
    comparison = _coloured(records, primary=primary)
    certainty = Certainty(comparison)
    colours = dict(zip(comparison.arms["arm"], comparison.arms["colour"], strict=True))
    chosen = {arm: colours[arm] for arm in certainty.ranks.index}
    return significance_plots.critical_difference(_axes(ax), certainty.ranks, certainty.wilcoxon, chosen)


def stability(records: pd.DataFrame, *, ax: Axes | None = None, primary: str = "dice") -> Axes:
    """How often each trained arm takes each rank in a crossed bootstrap of blocks and seeds."""
    certainty = Certainty(_coloured(records, primary=primary))
    order = list(certainty.ranks.sort_values(kind="stable").index)
    return significance_plots.stability(_axes(ax), certainty.stability.loc[order])


def structures(labels: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Mean Dice of each structure by arm, from records by label (``load(..., kind="labels")``)."""
    named = labels.assign(structure=structure_names(labels))
    arms = _arms_of(labels)
    return _named(plots.structures(_axes(ax), named, arms), arms)


def training(history: pd.DataFrame, column: str = "val_dice", *, ax: Axes | None = None) -> Axes:
    """A column of the training history by step, mean and range over seeds (``load(..., kind="history")``)."""
    arms = _arms_of(history)
    drawn = plots.training_curve(_axes(ax), history, arms, column)
    drawn.set(xlabel="Step", ylabel=column)
    return _named(drawn, arms)


def gates(gates: pd.DataFrame, stage: int, *, ax: Axes | None = None) -> Axes:
    """Weight of the joint path at a stage over training (``load(..., kind="gates")``)."""
    arms = _arms_of(gates)
    drawn = gate_weight(_axes(ax), gates, arms, stage)
    drawn.set(xlabel="Step", ylabel="Weight of joint path")
    return _named(drawn, arms)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    with style():
        return new_figure(3.2).subplots()


def _named(ax: Axes, arms: pd.DataFrame) -> Axes:
    """With a legend that says which colour is which strategy."""
    ax.legend(handles=plots.legend(arms)[0], ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def _coloured(records: pd.DataFrame, *, primary: str, baseline: str | None = None) -> Comparison:
    comparison = comparison_of(records, primary=primary, baseline=baseline)
    return replace(comparison, arms=with_colours(comparison.arms, comparison.baseline))


def _arms_of(records: pd.DataFrame) -> pd.DataFrame:
    """The arms in records without pairs, each in a colour of its own."""
    arms = records.drop_duplicates("arm").assign(family=lambda table: table["arm"])
    return with_colours(arms.assign(trained=arms["trained"].astype(bool)), str(arms["reference"].iloc[0]))
