"""Each figure shows the numbers of its table, one function from a table to Axes, and the same bytes every time."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.analysis.comparison import Comparison, compare_studies
from reports.figures.study import regularity, structures, study_figures
from reports.plots import arms as plots
from reports.plots.gates import gate_weight
from reports.plots.slices import LONGEST_SIDE, RANKS, deformed_grid, of_pair, outlines
from reports.plots.style import GREY, LABEL_LINES, LABEL_WIDTH, as_label, save, style, with_colours
from tests.reports.records_fixture import ARMS, FUSION_ARMS, Arm, Records, write_records


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("figures")
    write_records(folder, Records(arms=FUSION_ARMS))
    return compare_studies([folder])[0]


@pytest.fixture(scope="module")
def arms(comparison: Comparison) -> pd.DataFrame:
    return with_colours(comparison.arms, comparison.baseline)


def test_colour_says_the_family_and_marker_the_group(arms: pd.DataFrame) -> None:
    assert (arms.groupby("family")["colour"].nunique() == 1).all()
    assert arms.drop_duplicates("family")["colour"].is_unique
    assert (arms.groupby("group")["marker"].nunique() == 1).all()
    assert set(arms["colour"][~arms["trained"]]) == {GREY}


def test_more_families_than_colours_are_told_apart_by_colour_and_group(tmp_path: Path) -> None:
    many = tuple(
        Arm(label=f"{group[0]} {number}", plan=f"{group}{number}", group=group, dice=0.7)
        for group in ("alone", "both")
        for number in range(7)
    )
    write_records(tmp_path, Records(arms=(*ARMS, *many), seeds=1))
    arms = with_colours((found := compare_studies([tmp_path])[0]).arms, found.baseline)
    trained = arms[arms["trained"]]
    assert not trained.duplicated(["colour", "marker"]).any()
    labels = [str(line.get_label()) for line in plots.legend(trained, groups=False)[0]]
    assert "a 1 (alone)" in labels
    figure = next(captioned.figure for captioned in study_figures(found) if captioned.name == "price")
    assert figure is not None
    (legend,) = figure.legends
    figure.canvas.draw()
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_a_legend_has_the_marker_that_is_drawn(arms: pd.DataFrame) -> None:
    drawn = arms.drop_duplicates("family").set_index("family")["marker"]
    handles = {str(line.get_label()): line.get_marker() for line in plots.legend(arms)[0]}
    assert handles["AutoFuse"] == drawn["AutoFuse"]
    assert handles["identity"] == drawn["identity"] != "o"


def test_a_curve_says_why_it_does_not_end_at_the_mean_of_the_tables(comparison: Comparison) -> None:
    definition = dict(comparison.records.definition)
    definition["budget"] = {"validation_pairs": 10}
    ten = replace(comparison, records=replace(comparison.records, definition=definition))
    captions = {
        captioned.name: captioned.caption
        for captioned in study_figures(ten)
        if captioned.name in ("training", "distribution")
    }
    assert "a mean over 10 pairs of it, so that a curve does not end at the mean of the tables" in captions["training"]
    assert "where the table has the mean of the seeds' medians" in captions["distribution"]
    assert "not over blocks" not in captions["distribution"], "blocks are of equal size here"


def test_a_second_arm_of_a_plan_in_one_group_is_of_a_family_of_its_own(tmp_path: Path) -> None:
    other = Arm(label="AutoFuse, transformer", plan="ggggggg", dice=0.7)
    write_records(tmp_path, Records(arms=(*ARMS, other)))
    assert compare_studies([tmp_path])[0].arms["family"].is_unique


def test_pairs_by_arm(ax: Axes, comparison: Comparison, arms: pd.DataFrame) -> None:
    plots.pairs_by_arm(ax, comparison.records.pairs, arms)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(arms["arm"])
    points = ax.collections[0].get_offsets()
    assert len(np.asarray(points)) == 40


def test_differences_are_filled_when_shown(ax: Axes, arms: pd.DataFrame) -> None:
    plots.differences(ax, arms, "AutoFuse")
    named = arms.dropna(subset=["difference"])["verdict"].isin(["higher", "lower"])
    markers = [line for line in ax.lines if len(np.atleast_1d(line.get_xdata())) == 1]
    assert [line.get_markerfacecolor() == line.get_color() for line in markers] == list(named)
    drawn = [float(np.atleast_1d(line.get_xdata())[0]) for line in markers]
    assert drawn == pytest.approx(list(arms["difference"].dropna()))


def test_against_has_one_mark_an_arm(ax: Axes, arms: pd.DataFrame) -> None:
    plots.against(ax, arms, "parameters", label="Parameters (millions)", unit=1e6)
    assert len(ax.containers) == len(arms)


def test_training_curve_is_the_mean_of_the_seeds(ax: Axes, comparison: Comparison, arms: pd.DataFrame) -> None:
    history = comparison.records.history
    plots.training_curve(ax, history, arms[arms["arm"] == "early"], "val_dice")
    expected = history[history["arm"] == "early"].groupby("step")["val_dice"].mean()
    np.testing.assert_allclose(np.asarray(ax.lines[0].get_ydata()), expected)


@pytest.mark.parametrize(("free", "lines"), [(False, 1), (True, 2)])
def test_free_gate_weights_are_both_drawn(
    ax: Axes, comparison: Comparison, arms: pd.DataFrame, free: bool, lines: int
) -> None:
    gates = comparison.records.gates
    gates = gates.assign(single_weight=gates["single_weight"] * (0.5 if free else 1))
    gate_weight(ax, gates, arms[arms["arm"] == "AutoFuse"], 3)
    assert len(ax.lines) == lines + 1


def test_drawings_are_the_same_every_time(comparison: Comparison, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        figure = next(captioned.figure for captioned in study_figures(comparison) if captioned.name == "training")
        assert figure is not None
        save(figure, tmp_path / folder, "training")
    for name in ("training.svg", "training.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_drawing_is_made(comparison: Comparison) -> None:
    captioned_figures = list(study_figures(comparison))
    names = ["distribution", "differences", "groups", "regularity", "price", "training", "gates", "structures"]
    assert [captioned.name for captioned in captioned_figures if captioned.figure] == names


@pytest.mark.parametrize(("difference", "drawn"), [(-0.01, True), (-0.3, False)])
def test_what_is_not_trained_is_drawn_beside_the_others_where_it_is_in_sight(
    comparison: Comparison, difference: float, drawn: bool
) -> None:
    arms = comparison.arms
    moved = arms.assign(difference=arms["difference"].where(arms["arm"] != "identity", difference))
    captioned = next(drawn for drawn in study_figures(replace(comparison, arms=moved)) if drawn.name == "differences")
    assert ("identity" in captioned.alt) == drawn
    assert ("Not drawn, far off or without a value: identity" in captioned.caption) != drawn


def test_what_is_not_trained_but_deforms_is_a_numeral_beside_the_networks(comparison: Comparison) -> None:
    arms = with_colours(comparison.arms, comparison.baseline)
    syn = arms[arms["arm"] == "identity"].assign(arm="syn", label="syn", family="syn", sd_log_jacobian=0.1)
    captioned = regularity(replace(comparison, arms=pd.concat([arms, syn], ignore_index=True)))
    assert captioned.figure is not None
    drawn = [handle for legend in captioned.figure.legends for handle in legend.legend_handles]
    handles = {handle.get_label(): handle.get_marker() for handle in drawn if isinstance(handle, Line2D)}
    assert handles["syn"] == "$1$"
    assert "identity" not in handles, "it does not deform"
    assert handles["AutoFuse"] == "o"
    marks = [line.get_marker() for line in captioned.figure.axes[0].lines]
    assert marks.count("$1$") == 1
    assert "Numerals: arms that are not trained" in captioned.caption


def test_many_structures_are_thinned(comparison: Comparison) -> None:
    labels = pd.concat(
        [comparison.records.labels.assign(name=f"structure {number}", label=str(number)) for number in range(40)]
    )
    many = replace(
        comparison,
        records=replace(comparison.records, labels=labels),
        arms=with_colours(comparison.arms, comparison.baseline),
    )
    captioned = structures(many)
    assert "The 24 of 40 structures on which arms differ most" in captioned.caption
    assert captioned.figure is not None


def slices(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    names = ("fixed", "moving", "warped", "fixed_labels", "warped_labels", "determinant")
    stored = {f"{rank}_{name}": np.zeros(shape) for rank in RANKS for name in names}
    return stored | {f"{rank}_displacement": np.full((2, *shape), 4.0) for rank in RANKS}


def test_large_slices_are_thinned_and_their_displacement_with_them() -> None:
    pair = of_pair(slices((2 * LONGEST_SIDE, 50)), "best")
    assert pair is not None
    assert pair["fixed"].shape == (LONGEST_SIDE, 25)
    assert (pair["displacement"] == 2.0).all()


def test_misshapen_slices_are_refused() -> None:
    stored = slices((20, 20))
    assert of_pair(stored | {"best_warped": np.zeros((20, 19))}, "best") is None
    assert of_pair({}, "best") is None


def test_grid_goes_where_the_field_takes_it(ax: Axes) -> None:
    displacement = np.stack([np.full((10, 12), 0.5), np.zeros((10, 12))])
    deformed_grid(ax, displacement, aspect=1.0)
    lines = ax.collections[0].get_segments()  # type: ignore[attr-defined]
    assert len(lines) == 10 + 12
    np.testing.assert_allclose(lines[0][:, 0], 0.5)
    np.testing.assert_allclose(lines[0][:, 1], np.arange(12))


def test_outlines_follow_the_edges_of_labels(ax: Axes) -> None:
    labels = np.zeros((6, 6), int)
    labels[2:4, 2:4] = 1
    outlines(ax, labels, "red")
    path = ax.patches[0].get_path()
    np.testing.assert_array_equal(np.unique(path.vertices), [1.5, 3.5])
    assert np.shape(path.vertices)[0] == 2 * 4


def test_equal_labels_have_no_outline(ax: Axes) -> None:
    outlines(ax, np.zeros((5, 5), int), "red")
    assert not ax.patches


def test_a_label_is_wrapped_and_no_mathematics() -> None:
    assert as_label("cost in $, and $x_{2}$") == r"cost in \$, and \$x_{2}\$"
    lines = as_label("many words " * 40).split("\n")
    assert len(lines) == LABEL_LINES
    assert max(map(len, lines)) <= LABEL_WIDTH
    assert lines[-1].endswith("…")
    assert as_label("") == ""


def test_the_style_stands_on_the_defaults_of_matplotlib() -> None:
    with mpl.rc_context({"text.usetex": True, "lines.linestyle": ":"}):
        with style():
            assert not mpl.rcParams["text.usetex"]
            assert mpl.rcParams["lines.linestyle"] == "-"
            assert mpl.rcParams["axes.grid"]
        assert mpl.rcParams["text.usetex"]
