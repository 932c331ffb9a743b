"""The figure of a study on several data sets, composed and captioned."""

from dataclasses import replace

import pandas as pd

from reports.analysis.datasets import Across, elsewhere
from reports.figures.captioned import CaptionedFigure
from reports.plots.datasets import ranks_across
from reports.plots.style import new_figure, style, with_colours


def across_figure(study: Across) -> CaptionedFigure:
    """One line per arm and one column per data set, so that a turn of the order is seen at once."""
    captioned = CaptionedFigure(name="order", title="Order of the arms on each data set")
    if study.means.shape[1] < 2:
        return replace(captioned, caption="Fewer than two arms have a result on two data sets: nothing is drawn.")
    arms = coloured(study)
    with style():
        figure = new_figure(0.6 + 0.24 * len(arms))
        ranks_across(figure.subplots(), study.means, arms, study.metric, kinds=study.kinds)
    text = (
        f"Arms by rank on each data set, the best on top, with the mean {study.metric.label} over blocks beside each "
        "mark. Lines that cross are arms whose means change places, which intervals may not bear out: "
        f"{study.order.sentence[:1].lower()}{study.order.sentence[1:]}"
    )
    if study.means.isna().any(axis=None):
        text += " Without a mark: no result on that data set."
    text += elsewhere(study)
    rising = not study.metric.higher_is_better
    orders = {
        name: list(map(str, row.dropna().sort_values(ascending=rising).index)) for name, row in study.means.iterrows()
    }
    order_text = ". ".join(f"{dataset}: {'; '.join(order)}" for dataset, order in orders.items())
    alt = f"Arms by rank on each data set, the best first. {order_text}"
    return replace(captioned, caption=text, alt=alt, figure=figure)


def coloured(study: Across) -> pd.DataFrame:
    """The arms of ``study.means``, each with the look that it has on the first data set that plans it."""
    planned = pd.concat([comparison.arms for comparison in study.sets.values()], ignore_index=True).drop_duplicates(
        "arm"
    )
    arms = with_colours(planned, next(iter(study.sets.values())).baseline)
    return arms.set_index("arm", drop=False).loc[list(study.means)].reset_index(drop=True)
