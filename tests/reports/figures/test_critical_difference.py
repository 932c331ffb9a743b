"""Ties and groups that overlap can be told apart in a critical-difference diagram."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.plots.significance import critical_difference

RANKS = pd.Series({"a": 1.5, "b": 1.5, "c": 3.2, "d": 3.8})


def bars(separated: list[tuple[str, str]]) -> tuple[list[float], list[list[float]]]:
    """Where the arms stand on the line of ranks, and the dots of each bar."""
    p_values = pd.DataFrame(1.0, index=RANKS.index, columns=RANKS.index)
    for first, second in separated:
        p_values.loc[first, second] = p_values.loc[second, first] = 0.01
    ax = Figure().subplots()
    critical_difference(ax, RANKS, p_values, dict.fromkeys(RANKS.index, "#0072b2"))
    places = [float(x) for points in ax.collections for x in np.asarray(points.get_offsets())[:, 0]]
    dotted = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in ax.lines if line.get_marker() == "o"]
    return sorted(places), sorted(dotted)


def test_equal_ranks_do_not_hide_each_other() -> None:
    places, _ = bars([])
    assert np.diff(places).min() > 0.01
    assert places == pytest.approx([1.5, 1.5, 3.2, 3.8], abs=0.05)


def test_a_bar_has_a_dot_for_each_arm_that_it_joins_and_none_for_those_that_it_passes() -> None:
    (a, b, c, d), joined = bars([("b", "c"), ("b", "d")])
    assert joined == [[pytest.approx(x) for x in group] for group in sorted([[a, b], [a, c, d]])]
