"""What reviewers sent back in the figures of searches, each with what mends it."""

from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from reports.analysis.ablation import Ablation, SearchPath, analyse
from reports.figures import ablation as figures
from reports.figures.search import search_figures
from reports.plots import ablation as plots
from reports.plots.parallel import parallel_coordinates
from reports.plots.style import BACKGROUND, style
from reports.records.definitions import CONTROL, SEARCH
from reports.records.search import load_searches
from reports.statistics.importance import Importance
from tests.reports.search_fixture import search_and_control


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    folder = tmp_path_factory.mktemp("searches")
    search_and_control(folder)
    return analyse(load_searches([folder])[0])


def boxes(texts: list[mpl.text.Text]) -> list[mpl.transforms.Bbox]:
    return [text.get_window_extent() for text in texts if text.get_text()]


def test_ticks_of_importance_do_not_lie_on_each_other() -> None:
    with style():
        figure = Figure(figsize=(3.5, 2))
        shares = pd.DataFrame({"setting": ["a", "b"], "part": SEARCH, "importance": [0.0117, 0.0163]})
        ax = plots.importance(figure.subplots(), shares.assign(chance=0.015, p_value=0.5))
        figure.canvas.draw()
    labels = boxes(ax.get_xticklabels())
    assert len(labels) >= 3
    assert all(first.x1 < second.x0 for first, second in pairwise(labels))


def test_interactions_are_in_per_cent_in_the_cells_and_beside_the_colours(ablation: Ablation) -> None:
    pairs = pd.DataFrame(
        {"first": ["stage 1"], "second": ["stage 2"], "importance": 0.154, "chance": 0.1, "p_value": 0.5}
    )
    result = Importance(candidates=9, single=pd.DataFrame(), pairs=pairs)
    figure = figures.interactions(replace(ablation, importances={SEARCH: result})).figure
    assert figure is not None
    *matrices, bar = figure.axes
    figure.canvas.draw()
    assert {text.get_text() for text in matrices[0].texts} == {"15.4"}
    assert bar.get_ylabel() == "Variance (%)"
    assert "15" in {label.get_text() for label in bar.get_yticklabels()}


def path(gains: list[float], final: list[float]) -> SearchPath:
    steps = pd.DataFrame({"gain": gains, "final": final, "configuration": "jjjjjjj", "change": "stage 1 joint → gate"})
    return SearchPath(start="early", end="AutoFuse", steps=steps)


def test_a_path_of_which_most_was_not_trained_is_said_and_not_drawn(ablation: Ablation) -> None:
    nan = float("nan")
    drawn = figures.path(replace(ablation, paths=[path([0.1, nan, nan, nan, 0.2], [nan] * 5)]))
    assert drawn.figure is None
    assert drawn.caption == "From early to AutoFuse: 2 of its 5 configurations were trained, too few to draw."


def test_the_legend_of_a_path_has_what_is_drawn(ablation: Ablation) -> None:
    nan = float("nan")
    for gains, final, expected in (
        ([0.1, nan, 0.2], [nan, nan, nan], ["at step 50", "not trained"]),
        ([0.1, 0.1, 0.2], [nan, 0.2, 0.3], ["at step 50", "trained to the end"]),
    ):
        figure = figures.path(replace(ablation, paths=[path(gains, final)])).figure
        assert figure is not None
        assert [text.get_text() for text in figure.legends[0].get_texts()] == expected


def test_plans_have_their_letters_in_a_legend_and_name_no_colour_that_the_theme_turns(ablation: Ablation) -> None:
    drawn = figures.plans(ablation)
    assert drawn.figure is not None
    named = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert {"j: joint", "g: gate", "s: single", "dead"} <= set(named)
    assert "one in the colour of the text" in drawn.caption
    assert not {"dark", "black", "white"} & set(drawn.caption.split())


def test_the_correlation_stands_in_the_figure(ablation: Ablation) -> None:
    figure = next(captioned.figure for captioned in search_figures(ablation.records) if captioned.name == "fidelity")
    assert figure is not None
    assert figure.axes[0].get_title(loc="left") == "ρ = 0.80, n = 4"


def test_levels_can_be_read_on_the_lines_of_parallel_coordinates() -> None:
    levels = pd.DataFrame({"gate.granularity": pd.Categorical(["voxel", "scalar"])})
    chosen = pd.DataFrame({"part": [SEARCH, CONTROL], "order": 1, "label": "x", "shared_gain": [0.1, 0.2]})
    ax = parallel_coordinates(Figure().subplots(), levels, chosen)
    names = [text for text in ax.texts if text.get_text() in ("voxel", "scalar")]
    assert len(names) == 2
    for text in names:
        ground = text.get_bbox_patch()
        assert ground is not None
        assert to_rgba(ground.get_facecolor())[:3] == to_rgba(BACKGROUND)[:3]
        assert text.get_zorder() > max(line.get_zorder() for line in ax.lines)
    assert ax.get_xticklabels()[0].get_text() == "gate.\ngranularity", "not broken within a word"
