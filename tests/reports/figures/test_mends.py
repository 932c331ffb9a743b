"""What reviewers sent back in the figures of the committed studies, each with what mends it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.analysis.simultaneous import with_simultaneous
from reports.plots import arms as plots
from reports.plots import significance as significance_plots
from reports.plots.fronts import better_corner, front_steps, logarithmic, stretched_at_zero
from reports.plots.gates import gate_weight
from reports.plots.groups import side_by_side
from reports.plots.style import with_line_styles
from reports.records.metric import DICE

NAMES = ["a", "b", "c"]


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def arms(**columns: object) -> pd.DataFrame:
    """Three trained arms of one look."""
    plain = {"arm": NAMES, "family": NAMES, "group": "g", "trained": True, "colour": "#0072b2", "marker": "o"}
    score = {
        "dice": 0.7,
        "dice_blocks": 0.7,
        "dice_low": 0.6,
        "dice_high": 0.8,
        "seeds": 3,
        "parameters": [1e6, 2e6, 3e6],
    }
    return pd.DataFrame(plain | {"line": "-", "verdict": "no difference shown"} | score | columns)


def test_a_matrix_without_a_significant_difference_has_its_numbers_and_no_empty_colour_bar(ax: Axes) -> None:
    differences = pd.DataFrame([[np.nan, 0.01, 0.02], [-0.01, np.nan, 0.0], [-0.02, 0.0, np.nan]], NAMES, NAMES)
    significance_plots.significance(ax, differences, differences > 1)
    assert {text.get_text() for text in ax.texts} == {"+0.010", "+0.020", "0.000", "−0.010", "−0.020"}
    assert ax.figure.axes == [ax]


def test_a_large_matrix_prints_no_sign_before_zero() -> None:
    assert [significance_plots._short(value, 1000, DICE) for value in (0.0004, -0.0004, 0.012)] == ["0", "0", "+12"]


def test_stability_has_numbers(ax: Axes) -> None:
    shares = pd.DataFrame([[0.9, 0.1], [0.1, 0.9]], ["a", "b"], pd.Index([1, 2]))
    significance_plots.stability(ax, shares)
    assert [text.get_text() for text in ax.texts] == ["90", "10", "10", "90"]


def test_gates_of_arms_of_one_colour_differ_in_line_and_mark(ax: Axes) -> None:
    gates = pd.DataFrame(
        [(arm, 0, 3, step, 0.5, 0.5) for arm in NAMES for step in (1, 2)],
        columns=["arm", "seed", "stage", "step", "joint_weight", "single_weight"],
    )
    gate_weight(ax, gates, with_line_styles(arms()), 3)
    lines = [line for line in ax.lines if len(np.atleast_1d(line.get_xdata())) == 2 and line.get_marker() != "None"]
    assert len({str(line.get_marker()) for line in lines}) == len(NAMES)


def test_the_name_of_the_baseline_stands_beside_the_points(ax: Axes) -> None:
    both = pd.concat([arms(), arms(group="h", arm=["a, h", "b, h", "c, h"])], ignore_index=True)
    side_by_side(ax, both, "a")
    (name,) = [text for text in ax.texts if text.get_text() == "a"]
    assert name.xy[0] > 1  # type: ignore[attr-defined]


def test_long_names_of_many_groups_are_wrapped(ax: Axes) -> None:
    names = [f"rate 0.0002{number}, KL 0.003" for number in range(6)]
    side_by_side(ax, pd.concat([arms(group=name) for name in names], ignore_index=True), "a")
    widest = max(len(line) for label in ax.get_xticklabels() for line in label.get_text().split("\n"))
    assert widest <= 11


def test_intervals_do_not_bury_the_points(ax: Axes) -> None:
    plots.against(ax, arms(), "parameters", label="Parameters")
    for container in ax.containers:
        point, _, bars = container
        assert all(bar.get_alpha() < 0.5 and bar.get_zorder() < point.get_zorder() for bar in bars)


def test_fronts_are_steps_and_an_arrow_says_where_is_better(ax: Axes) -> None:
    front_steps(ax, np.array([[1.0, 0.6], [2.0, 0.7]]))
    better_corner(ax, DICE)
    assert ax.lines[0].get_drawstyle() == "steps-post"
    assert "better" in {text.get_text() for text in ax.texts}


def test_folding_of_nothing_and_of_little_are_with_line_styles(ax: Axes) -> None:
    stretched_at_zero(ax, pd.Series([0.0, 1e-5, 1e-2]))
    places = [ax.transData.transform((value, 0))[0] for value in (0.0, 1e-5, 1e-2)]
    assert np.diff(places).min() > 0.1 * np.ptp(places)


def test_latencies_orders_of_magnitude_apart_are_written_in_full(ax: Axes) -> None:
    logarithmic(ax)
    ax.set_xlim(0.05, 200)
    assert [ax.xaxis.get_major_formatter()(value, 0) for value in (0.1, 10.0)] == ["0.1", "10"]


def test_an_interval_that_holds_for_all_comparisons_is_drawn_beside_its_own(ax: Axes) -> None:
    table = arms(difference=0.01, difference_low=0.001, difference_high=0.019, difference_se=0.004, difference_df=9.0)
    wide = with_simultaneous(table, table)
    assert (wide["simultaneous_low"] < 0).all(), "each excludes 0 by itself, and all together do not"
    plots.differences(ax, wide, "d")
    assert sorted({line.get_linewidth() for line in ax.lines if len(np.atleast_1d(line.get_xdata())) == 2})[:2] == [
        0.8,
        0.9,
    ]


def test_one_seed_has_no_range(ax: Axes) -> None:
    labels = pd.DataFrame({"arm": NAMES, "seed": "0", "structure": "s", "dice": 0.7})
    plots.structures(ax, labels, arms())
    assert ax.get_xlabel() == "Mean Dice"
    assert not ax.collections
