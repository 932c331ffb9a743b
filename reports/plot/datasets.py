"""The figure of one study on several data sets, as a function from a DataFrame of its records to Axes."""

import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.datasets import across
from reports.dataframe import comparison_of
from reports.figures.datasets import coloured
from reports.plots.datasets import ranks_across
from reports.plots.style import new_figure, style
from reports.records.metric import Metric


def across_datasets(records: pd.DataFrame, *, ax: Axes | None = None, primary: str | Metric = "dice") -> Axes:
    """Arms by rank on each data set, one line per arm and one column per set, with the mean beside each mark.

    Raises:
        ValueError: the records are not of two arms on several data sets.
    """
    sets = [comparison_of(part, primary=primary) for _, part in records.groupby("dataset", sort=False)]
    joined = across(sets, name="records")
    if not joined or joined[0].means.shape[1] < 2:
        raise ValueError("across_datasets(): 'records' must be of two arms on several data sets, got fewer")
    if ax is None:
        with style():
            ax = new_figure(0.6 + 0.24 * joined[0].means.shape[1]).subplots()
    return ranks_across(ax, joined[0].means, coloured(joined[0]), joined[0].metric)
