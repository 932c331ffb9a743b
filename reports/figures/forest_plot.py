"""The figure of the first screen: all arms with their intervals, the best first."""

from dataclasses import replace

from matplotlib.figure import Figure

from reports.analysis.comparison import ORACLE, Comparison
from reports.figures.captioned import CaptionedFigure
from reports.plots.forest_plot import forest_plot
from reports.plots.style import MOST_HEIGHT, new_figure, style, with_colours

WIDTH, ROW, AXIS = 4.4, 0.15, 0.55
"""In inches: narrow enough for a phone and for half of the page, so that 32 arms stay within 650 pixels there."""


def first_figure(comparison: Comparison) -> CaptionedFigure:
    """Every arm with a mean, the best first; the true displacement, where there is one, on top of them."""
    captioned = CaptionedFigure(name="forest", title="All arms, best first")
    metric, evaluated = comparison.metric, with_colours(comparison.arms, comparison.baseline)
    ceiling = evaluated[(evaluated["method"] == ORACLE) & evaluated[metric.mean].notna()]
    order = [*ceiling.index, *comparison.ranked.index]
    if not order:
        return replace(captioned, caption=f"No arm has a {metric.title}: nothing is drawn.")
    arms = evaluated.loc[order]
    with style():
        figure = Figure(
            figsize=(min(WIDTH, new_figure(1.0).get_figwidth()), min(MOST_HEIGHT, AXIS + ROW * max(3, len(arms))))
        )
        forest_plot(figure.subplots(), arms, comparison.baseline, metric)
    limits = arms["limit"]
    over = "blocks crossed with seeds" if not (limits == "one seed").any() else (
        "blocks alone, since arms have one seed" if (limits[arms["trained"]] == "one seed").all() else
        "blocks crossed with seeds, over blocks alone for arms with one seed"
    )  # fmt: skip
    hollow = "" if arms["trained"].all() else " Hollow: not trained."
    above = " Above all: the true displacement, which bounds what can be reached." if len(ceiling) else ""
    text = f"Means over blocks with 95 % intervals over {over}. Dashed: {comparison.baseline}.{hollow}{above}"
    means = "; ".join(f"{arm} {metric.number(mean)}" for arm, mean in zip(arms["arm"], arms[metric.mean], strict=True))
    alt = f"Forest plot of mean {metric.label} with 95 % intervals, best first: {means}"
    return replace(captioned, caption=text, alt=alt, figure=figure)
