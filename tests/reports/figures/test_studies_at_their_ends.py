"""Figures of studies with very many arms, with few, with arms that differ in their loss, and of gates of three."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.analysis.comparison import Comparison, compare_studies
from reports.analysis.significance import Certainty
from reports.figures.against import legend_above
from reports.figures.captioned import CaptionedFigure
from reports.figures.forest_plot import first_figure
from reports.figures.gates import over_pairs
from reports.figures.significance import MOST_ARMS, significance_figures
from reports.figures.study import price, structures, study_figures, training
from reports.plots.gates import draw_maps, equal_weights, gate_weight
from reports.plots.groups import MOST_BESIDE, side_by_side
from reports.plots.style import COLOURS, MOST_HEIGHT, look, save, style, with_colours
from tests.reports.records_fixture import ARMS, Arm, Records, write_records

NAMES = ("base", "flips", "one direction, twice the steps", "three resolutions, KL 0.01, rate 1e-3")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two strategies in each of thirty groups."""
    folder = tmp_path_factory.mktemp("many")
    arms = tuple(
        Arm(label=f"{plan}, {NAMES[n % 4]} {n}", group=f"{NAMES[n % 4]} {n}", plan=plan, dice=0.6 + n / 200)
        for n in range(30)
        for plan in ("jjjjjjj", "ggggggg")
    )
    write_records(
        folder, Records(arms=arms, seeds=1, blocks=6, pairs_in_block=1, definition={"reference": arms[0].label})
    )
    return compare_studies([folder])[0]


def figures_of(comparison: Comparison) -> dict[str, CaptionedFigure]:
    return {captioned.name: captioned for captioned in study_figures(comparison)}


def apart(figure: Figure) -> bool:
    """Whether no name of a row lies on the next."""
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    rows = sorted(boxes, key=lambda box: float(box.y0))
    return all(first.y1 <= second.y0 + 0.5 for first, second in pairwise(rows))


def test_names_of_many_arms_do_not_lie_on_each_other(many: Comparison) -> None:
    for drawn in (figures_of(many)["differences"], first_figure(many)):
        assert drawn.figure is not None
        assert drawn.figure.get_figheight() <= MOST_HEIGHT
        assert apart(drawn.figure)


def test_many_groups_stand_in_several_rows_with_one_entry_a_strategy_in_the_legend(many: Comparison) -> None:
    drawn = figures_of(many)["training"].figure
    assert drawn is not None
    shown = [ax for ax in drawn.axes if ax.get_visible()]
    assert len(shown) == 60, "validation and loss of each group"
    drawn.canvas.draw()
    assert len({round(ax.get_position().y0, 2) for ax in shown}) == 10
    assert len([text for text in drawn.legends[0].get_texts() if text.get_text().strip()]) == 2


def test_names_of_many_groups_are_turned(many: Comparison) -> None:
    ax = side_by_side(Figure().subplots(), with_colours(many.arms, many.baseline), many.baseline)
    assert len(ax.get_xticklabels()) == 30 > MOST_BESIDE
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90.0}


def test_matrices_hold_the_best_of_many_arms_and_say_so(many: Comparison) -> None:
    for drawn in significance_figures(Certainty(many)):
        if drawn.figure is not None and drawn.name != "ranks":
            assert MOST_ARMS <= len(drawn.figure.axes[0].get_yticklabels()) <= MOST_ARMS + 1
            assert f"Drawn: the {MOST_ARMS} best of 60 arms" in drawn.caption
            assert len(drawn.figure.axes[0].texts) > MOST_ARMS, "with numbers"


def test_structures_of_many_arms_have_room_for_names(many: Comparison, tmp_path: Path) -> None:
    drawn = structures(with_look(many))
    assert drawn.figure is not None
    save(drawn.figure, tmp_path, "structures")  # a layout that collapses is a warning, and that an error
    names = drawn.figure.axes[0].get_xticklabels()
    assert len(names) == 24
    assert min(name.get_window_extent().y0 for name in names) >= 0
    assert "The 24 best of 60 arms" in drawn.caption


def test_a_legend_of_many_methods_takes_few_rows() -> None:
    names = [f"method {'long name ' * (n == 20)}{n}" for n in range(21)]
    arms = pd.DataFrame({"arm": names, "family": names, "group": "g", "trained": True, "parent": ""})
    with style():
        figure = Figure(figsize=(7.2, 3))
        figure.subplots()
        legend_above(figure, with_colours(arms, names[0]))
        figure.canvas.draw()
    places = {round(text.get_window_extent().y0) for text in figure.legends[0].get_texts()}
    assert len(places) <= 4
    assert figure.legends[0].get_window_extent().x1 <= figure.bbox.x1


def test_losses_that_differ_are_not_drawn_on_one_axis(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS, seeds=1, blocks=2))
    path = tmp_path / "studies" / "fusion.json"
    study = json.loads(path.read_text())
    for arm, weight in zip(study["arms"], (0.1, 0.1, 0.2, 0.1), strict=True):
        arm["method"]["loss"] = {"kl_weight": weight}
    path.write_text(json.dumps(study))
    drawn = training(with_look(compare_studies([tmp_path])[0]))
    assert drawn.figure is not None
    assert [ax.get_ylabel() for ax in drawn.figure.axes] == ["Val Dice"]
    assert "Training losses are not drawn: the arms minimise different ones" in drawn.caption


def with_look(comparison: Comparison) -> Comparison:
    return replace(comparison, arms=with_colours(comparison.arms, comparison.baseline))


def test_arms_whose_latency_is_not_known_are_named_below_the_figure(runs: Path) -> None:
    (next(runs.glob("fusion0200*")) / "cost.json").unlink()
    assert "Latency (s): not measured for late." in price(with_look(compare_studies([runs])[0])).caption


def test_one_arm_makes_no_figure_of_a_single_point(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=(ARMS[0], ARMS[3]), seeds=1))
    drawn = figures_of(compare_studies([tmp_path])[0])
    for name in ("price", "regularity"):
        assert drawn[name].figure is None
        assert "nothing is drawn" in drawn[name].caption


def test_what_is_optimised_further_has_no_curve_of_its_own(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS, seeds=1, blocks=2))
    comparison = with_look(compare_studies([tmp_path])[0])
    optimised = comparison.arms.assign(parent=["", "AutoFuse", "", ""])
    drawn = training(replace(comparison, arms=optimised)).figure
    assert drawn is not None
    assert {text.get_text() for text in drawn.legends[0].get_texts()} >= {"AutoFuse", "late"}
    assert "early" not in {text.get_text() for text in drawn.legends[0].get_texts()}


GATES_OF_THREE = pd.DataFrame(
    [("AutoFuse", "0", 4, step, 0.34, 0.33, 0.33) for step in (1, 2)],
    columns=["arm", "seed", "stage", "step", "joint_weight", "single_weight", "correlation_weight"],
)


def test_a_gate_of_three_prefers_none_at_a_third() -> None:
    assert equal_weights(GATES_OF_THREE) == [pytest.approx(1 / 3)]
    two = GATES_OF_THREE.assign(joint_weight=0.5, single_weight=0.5, correlation_weight=np.nan)
    assert equal_weights(pd.concat([two, GATES_OF_THREE])) == [0.5, pytest.approx(1 / 3)]
    arms = pd.DataFrame({"arm": ["AutoFuse"], "colour": COLOURS[0]})
    ax = gate_weight(Figure().subplots(), GATES_OF_THREE, arms, 4)
    heights = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in ax.lines]
    assert heights == [[0.34, 0.34], [pytest.approx(1 / 3)] * 2], "its weights sum to one: no second line"


def test_maps_of_gates_are_white_where_no_candidate_is_preferred() -> None:
    view = {"gate_slices": np.array([0]), "fixed": np.zeros((1, 4, 4)), "gate3": np.full((1, 4, 4), 0.5)}
    figure = draw_maps(view | {"gate4": np.full((1, 4, 4), 1 / 3)}, {3: 0.5, 4: 1 / 3}, aspect=1.0)
    drawn = [np.asarray(ax.images[0].get_array()) for ax in figure.axes[1:3]]
    assert all(weights == pytest.approx(0.0) for weights in drawn)


def test_the_caption_of_gates_holds_for_gates_of_three(runs: Path) -> None:
    comparison = compare_studies([runs])[0]
    for caption in (over_pairs(with_look(comparison)).caption, figures_of(comparison)["gates"].caption):
        assert "a third where it has their correlation as well" in caption
        assert "the rest goes to" not in caption


def test_an_arm_has_one_colour_on_a_page_whatever_else_its_study_has() -> None:
    def arms(*names: str) -> pd.DataFrame:
        return pd.DataFrame({"arm": names, "family": names, "group": "g", "trained": True, "parent": ""})

    many, few = arms("AutoFuse", "early", "late"), arms("AutoFuse", "late")
    alone = [with_colours(many, "AutoFuse")["colour"].iloc[2], with_colours(few, "AutoFuse")["colour"].iloc[1]]
    assert alone[0] != alone[1], "by themselves, the colours go by the order of each study"
    with look(families=["AutoFuse", "early", "late"]):
        assert with_colours(many, "AutoFuse")["colour"].iloc[2] == with_colours(few, "AutoFuse")["colour"].iloc[1]
