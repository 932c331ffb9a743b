"""Arms against what they cost or how regular they are, in panels; legends above panels."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fusemorph import pareto
from reports.analysis.arms import SIZES
from reports.analysis.comparison import ORACLE, Comparison
from reports.figures.captioned import CaptionedFigure
from reports.plots import arms as plots
from reports.plots.fronts import better_corner, front_steps, logarithmic, stretched_at_zero
from reports.plots.style import is_narrow, panels
from reports.records.metric import Metric
from reports.tables.table import caption
from reports.wording import listing

# How much stands in a line of a legend of so many inches, and how high one is, in inches; smaller where it is long.
LEGEND_CHARACTERS, LEGEND_LINE = 15, 0.18
HANDLE = 7
"""Characters whose room the mark of an entry and the space behind it take."""
LONG_LEGEND, SMALL = 3, 7.0
WIDE = 30.0
"""How many times the least value the largest is on a logarithmic axis."""


def against_columns(
    comparison: Comparison, arms: pd.DataFrame, name: str, title: str, columns: Sequence[str], more: str = ""
) -> CaptionedFigure:
    """The primary metric of ``arms`` against each of ``columns`` that two of them have, with their front."""
    metric = comparison.metric
    drawable, omitted = [], []
    for column in (name for name in columns if name != metric.name):
        label, values = plots.AXES[column][0], arms[column]
        if len(arms) and (values == 0).all():
            omitted.append(f"{label}: 0 in every arm, not drawn.")
        elif values.notna().sum() < 2:
            omitted.append(f"{label}: measured in {int(values.notna().sum())} of the arms, not drawn.")
        else:
            drawable.append(column)
            missing = list(arms[values.isna() & (arms["trained"] | (column not in SIZES))]["arm"])
            omitted += [f"{label}: not measured for {listing(missing)}."] if missing else []
    if arms[metric.name].notna().sum() < 2 or not drawable:
        return CaptionedFigure(
            name=name, title=title, caption="Fewer than two arms have these figures: nothing is drawn."
        )
    figure, axes = panels(3.2, len(drawable), sharey=True)
    for ax, column in zip(axes, drawable, strict=True):
        label, unit = plots.AXES[column]
        plots.against(ax, arms, column, label=label, unit=unit, metric=metric)
        _front(ax, arms, column, unit, metric)
        better_corner(ax, metric)
        _scale(ax, column, arms[column])
    for ax in axes[1:]:
        ax.set_ylabel(ax.get_ylabel() if is_narrow() else "")
    legend_above(figure, arms)
    over = intervals_over(arms[arms["trained"]]["limit"]) if arms["trained"].any() else "over blocks"
    text = (
        f"Means over blocks; pale lines are 95 % intervals, {over}. Grey steps: the front, on which no other arm "
        f"{_but_the_truth(arms)}is as good in both and better in one.{more}"
    )
    if "parent" in arms and (arms["parent"].fillna("") != "").any():
        text += " Hollow: an arm that starts from the results of the arm of its colour."
    means = values_by_arm(arms, f"{metric.name}_blocks", metric)
    alt = f"Scatter plots of mean {metric.title} against {listing([plots.AXES[c][0] for c in drawable])}. "
    text = " ".join([text, *omitted])
    alt += f"Mean {metric.title}: {means}"
    return CaptionedFigure(name=name, title=title, caption=caption(text, comparison.records), alt=alt, figure=figure)


def _scale(ax: Axes, column: str, values: pd.Series) -> None:
    if column == "folding_fraction":
        stretched_at_zero(ax, values)
    elif values.min() > 0 and values.max() > WIDE * values.min():
        logarithmic(ax)
    elif ax.get_xlim()[0] < 0:  # an interval may go below 0, what is measured does not
        ax.set_xlim(left=0)


def _but_the_truth(arms: pd.DataFrame) -> str:
    return "but the true displacement " if (arms["method"] == ORACLE).any() else ""


def _front(ax: Axes, arms: pd.DataFrame, column: str, unit: float, metric: Metric) -> None:
    across = f"{column}_blocks" if f"{column}_blocks" in arms else column
    # The true displacement bounds nothing that a method could reach.
    reachable = arms[arms["method"] != ORACLE].dropna(subset=[across, f"{metric.name}_blocks"])
    values = reachable[[across, f"{metric.name}_blocks"]].astype(float).to_numpy()
    kept = pareto.front(values.tolist(), ["minimize", "maximize" if metric.higher_is_better else "minimize"])
    front_steps(ax, values[sorted(kept, key=lambda place: values[place, 0])] / [unit, 1.0])


def intervals_over(limits: "pd.Series[str]") -> str:
    """What intervals are over, given the limits of the arms they are of."""
    alone = limits == "one seed"
    if alone.all():
        return "over blocks alone, conditional on one trained network each"
    return "over blocks crossed with seeds" + (" (over blocks alone where there is one seed)" if alone.any() else "")


def legend_above(figure: Figure, arms: pd.DataFrame, *, groups: bool = True) -> None:
    """Rows of families and, with ``groups``, a row of groups, above the panels; the figure grows with them.

    An arm that starts from another has the colour of that one, and no entry unless it is a numeral.
    """
    optimised = arms["parent"].fillna("") != "" if "parent" in arms else pd.Series(False, index=arms.index)
    begun = arms[~optimised | plots.is_numeral(arms["marker"])]
    rows = [row for row in plots.legend(begun if len(begun) else arms, groups=groups) if len(row) > 1]
    if not rows:
        return
    room = round(LEGEND_CHARACTERS * figure.get_figwidth())
    columns = _columns(rows, room)
    size = None
    if sum(-(-len(row) // columns) for row in rows) > LONG_LEGEND:
        columns, size = _columns(rows, round(1.25 * room)), SMALL
    lines = [row[start : start + columns] for row in rows for start in range(0, len(row), columns)]
    nothing = Line2D([], [], linestyle="none", label=" ")
    padded = [[*line, *[nothing] * (columns - len(line))] for line in lines]
    # A legend is filled column by column.
    handles = [handle for column in zip(*padded, strict=True) for handle in column]
    wrapped = sum(max(str(handle.get_label()).count("\n") for handle in line) for line in lines)
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * (len(lines) - len(rows) + wrapped))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.4, handletextpad=0.4, fontsize=size
    )


def _columns(rows: Sequence[Sequence[Line2D]], room: int) -> int:
    """How many entries fit beside each other, where each column is as wide as its longest one."""
    lengths = [[max(map(len, str(handle.get_label()).split("\n"))) for handle in row] for row in rows]
    most = max(map(len, lengths))

    def fits(columns: int) -> bool:
        widest = (max((n for row in lengths for n in row[place::columns]), default=0) for place in range(columns))
        return sum(width + HANDLE for width in widest) <= room

    return next((columns for columns in range(most, 1, -1) if fits(columns)), 1)


def values_by_arm(arms: pd.DataFrame, column: str, metric: Metric) -> str:
    """Each arm with its value, in words."""
    return "; ".join(f"{arm} {metric.number(value)}" for arm, value in zip(arms["arm"], arms[column], strict=True))
