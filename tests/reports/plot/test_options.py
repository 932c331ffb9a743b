"""Figures from Python: colours, names, order and legends as the caller wants them, and plain words for wrong input."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from reports import plot
from reports.dataframe import load
from reports.records import NothingToReportError
from reports.records.metric import Metric
from tests.reports.records_fixture import FUSION_ARMS, Records, write_records
from tests.reports.search_fixture import search_and_control


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    write_records(folder, Records(arms=FUSION_ARMS, seeds=2, blocks=6))
    return folder


@pytest.fixture
def records(runs: Path) -> pd.DataFrame:
    return load(runs)


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_arms_are_drawn_in_the_order_and_under_the_names_given(records: pd.DataFrame, ax: Axes) -> None:
    plot.distribution(records, ax=ax, order=["early", "AutoFuse"], labels={"AutoFuse": "ours"})
    assert names(ax) == ["early", "ours"]


def test_colours_are_those_given(records: pd.DataFrame, ax: Axes) -> None:
    plot.distribution(records, ax=ax, colours={"early": "#123456"}, order=["early"])
    assert np.allclose(np.asarray(ax.collections[0].get_facecolor())[0, :3], to_rgb("#123456"))


def test_one_arm_has_one_colour_in_every_figure(runs: Path, records: pd.DataFrame) -> None:
    drawn = {}
    for name, made in {
        "training": plot.training(load(runs, kind="history"), ax=Figure().subplots()),
        "structures": plot.structures(load(runs, kind="labels"), ax=Figure().subplots()),
        "against": plot.against(records, "parameters", ax=Figure().subplots()),
    }.items():
        drawn[name] = {
            json.loads(unquote(str(line.get_gid()).removeprefix("mark:")))["arm"]: to_hex(line.get_color())
            for line in made.lines
            if str(line.get_gid()).startswith("mark:")
        }
    shared = set.intersection(*(set(colours) for colours in drawn.values()))
    assert {"early", "AutoFuse"} <= shared
    for arm in shared:
        assert len({colours[arm] for colours in drawn.values()}) == 1, arm


@pytest.mark.parametrize("legend", [True, False])
def test_legends_stand_inside_their_axes(records: pd.DataFrame, legend: bool) -> None:
    figure = Figure(figsize=(6, 3))
    left, right = figure.subplots(1, 2)
    plot.against(records, "parameters", ax=left, legend=legend)
    assert (left.get_legend() is not None) == legend
    figure.canvas.draw()
    if legend:
        box = left.get_legend().get_window_extent()
        assert box.y1 <= left.get_window_extent().y1 + 1
    assert abs(left.get_position().width - right.get_position().width) < 1e-6


def test_axes_are_named_as_on_the_page(records: pd.DataFrame, ax: Axes) -> None:
    plot.against(records, "parameters", ax=ax)
    assert ax.get_xlabel() == "Parameters (millions)"
    assert ax.get_xlim()[1] < 1000


def test_untrained_arms_out_of_sight_are_not_drawn_as_on_the_page(records: pd.DataFrame, ax: Axes) -> None:
    plot.differences(records, ax=ax)
    assert "identity" not in names(ax)


def test_a_metric_of_ones_own(records: pd.DataFrame, ax: Axes) -> None:
    iou = Metric(name="iou", title="IoU", higher_is_better=True)
    changed = records.assign(iou=records["dice"] / (2 - records["dice"]))
    plot.distribution(changed, ax=ax, primary=iou)
    assert ax.get_xlabel().startswith("IoU of a pair")
    assert plot.differences(changed, primary=iou).get_xlabel().startswith("Difference in mean IoU")


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda table, _: plot.distribution(table.iloc[:0]), r"distribution\(\): 'records' must have rows"),
        (lambda table, _: plot.distribution(table.assign(hd95_mm=float("nan")), primary="hd95_mm"), "must be measured"),
        (
            lambda table, _: plot.against(table, "speed"),
            r"against\(\): 'column' must be of .*parameters.*, got 'speed'",
        ),
        (lambda table, _: plot.against(table.assign(flops=float("nan")), "flops"), "must be measured in some arm"),
        (lambda table, _: plot.distribution(table, order=["nobody"]), r"'order' must be of .*early.*, got 'nobody'"),
        (lambda table, _: plot.distribution(table, colours={"nobody": "red"}), "'colours' must be of .*, got 'nobody'"),
        (lambda table, _: plot.distribution(table, labels={"early": "AutoFuse"}), "must call every arm differently"),
        (
            lambda _, runs: plot.training(load(runs, kind="history"), "lass"),
            r"training\(\): 'column' must be of .*loss",
        ),
        (lambda _, runs: plot.gates(load(runs, kind="gates"), 9), r"gates\(\): 'stage' must be of .*3.*, got 9"),
    ],
)
def test_wrong_input_is_refused_in_words(
    records: pd.DataFrame, runs: Path, draw: Callable[[pd.DataFrame, Path], Axes], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        draw(records, runs)


def test_a_folder_of_searches_alone_says_so(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    with pytest.raises(NothingToReportError, match="only searches, no study"):
        load(tmp_path)
    search = plot.load_search(tmp_path)
    for words, draw in (
        ("'part' must be of search", lambda: plot.placement(search, "x")),
        ("'method' must be of", lambda: plot.importance(search, "x")),
        ("'step' must be of", lambda: plot.fidelity(search, 7)),
        ("'objective' must be of", lambda: plot.front(search, "x")),
        ("must be of a search over parameters", lambda: plot.effect(search, "x")),
    ):
        with pytest.raises(ValueError, match=words):
            draw()


def test_a_figure_of_a_search_is_drawn_where_it_is_asked_for(tmp_path: Path, ax: Axes) -> None:
    search_and_control(tmp_path)
    search = plot.load_search(tmp_path)
    assert plot.incumbent(search, ax=ax) is ax
    assert ax.get_legend() is not None
    assert plot.parallel(search, ax=Figure().subplots()).lines
