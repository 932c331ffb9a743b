"""The section of a search: whole, with pruned and failed trials alone, with several goals and data sets, unfinished."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reports.analysis.candidates import placement
from reports.figures.search import search_figures
from reports.page import write_report
from reports.page.search import search_summary
from reports.plots import search as search_plots
from reports.plots.parts import FEWEST_FOR_COLOUR
from reports.records.definitions import CONTROL, SEARCH
from reports.records.levels import settings
from reports.records.search import load_searches
from reports.statistics.main_effects import main_effects
from reports.tables.search import search_tables
from reports.tables.study import arms_text
from tests.reports.page.test_page import Elements, text_of
from tests.reports.records_fixture import ARMS, Records, write_records
from tests.reports.search_fixture import (
    BASE,
    DRAWN,
    FOUND,
    PLACEMENT,
    Entry,
    Proposal,
    search_and_control,
    write_search,
)

SETTINGS: list[dict[str, Any]] = [
    {"name": "gate.granularity", "values": ["scalar", "voxel"]},
    {"name": "gate.initial_bias", "values": [None, 0.0]},
    {"name": "gate.hard", "values": [False, True]},
    {"name": "loss.kl_weight", "low": 1e-3, "high": 1e-1, "log": True},
]


pytestmark = pytest.mark.usefixtures("svg_alone")


def page_of(folder: Path) -> Path:
    """The page of the records in a folder, whose elements close, whose links lead somewhere and which has no NaN."""
    page = write_report([folder / "runs"], folder / "out")
    elements = Elements(page.read_text(encoding="utf-8"))
    assert elements.open == []
    assert len(elements.ids) == len(set(elements.ids))
    anchors = {link for link in elements.links if link.startswith("#")}
    assert {anchor.removeprefix("#") for anchor in anchors} <= set(elements.ids)
    assert all((page.parent / link).is_file() for link in set(elements.links) - anchors)
    assert not re.search(r"\bnan\b", text_of(page))
    return page


def test_a_search_with_its_control_and_confirmation(tmp_path: Path) -> None:
    search_and_control(tmp_path / "runs")
    write_records(tmp_path / "runs", Records(arms=ARMS[:2], seeds=1, name="placement-best-of-5"))
    page = page_of(tmp_path)
    text = text_of(page)
    assert text.count('<article id="placement') == 2
    assert "the selection split (choices were made on it)" not in text, "the note above all says it"
    for words in (
        "the search tried 5 configurations (3 trained to the end, 2 stopped early)",
        "the random control tried 2 configurations (1 trained to the end, 1 stopped early)",
        "The best found by the search is ggggggg (AutoFuse) with +0.0800 val Dice; the best of the random control is "
        "jsjsjsj with +0.0400 val Dice, counted from identity at 0.500 (hippocampus).",
        "it shows no difference between them, nor between the search and random search",
        "The confirmation shows what holds up: “placement-best-of-5”.",
        '<a href="#placement-best-of-5">',
        "Named plans: early +0.0600 at step 200; late +0.0200 at step 100; AutoFuse +0.0800 at step 200; middle not ",
        "Rank correlation (Spearman) with the final gain: 0.80 for step 50 (n = 4)",
        "Mean gain in val Dice over identity at step 50",
    ):
        assert words in text
    figures = {path.stem for path in (tmp_path / "out" / "figures").glob("placement_*.svg")}
    assert figures == {
        f"placement_{name}" for name in ("incumbent", "placement", "fidelity", "stages", "parallel", "plans")
    }
    numbers = pd.read_csv(tmp_path / "out" / "tables" / "placement_candidates.csv")
    assert len(numbers) == 7
    assert numbers["value plan.7"].tolist() == ["j", "j", "s", "g", "g", "j", "g"]


def test_best_candidates_and_health(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    tables = search_tables(load_searches([tmp_path])[0])
    best = tables["candidates"]
    assert best.groups == ("Search by TPE",) * 5 + ("Random control",) * 2
    assert list(best.shown["Gain"]) == ["+0.0800", "+0.0700", "+0.0600", "+0.0200", "0.0000", "+0.0400", "−0.0200"]
    assert list(best.shown["at step"]) == ["200", "200", "200", "100", "50", "200", "50"]
    assert best.shown["GFLOPs"].iloc[0] == "20.0"
    health = tables["health"].shown.set_index("What")
    assert list(health.loc["Stopped early at step 50"]) == ["1", "1"]
    assert list(health.loc["Stopped early at step 100"]) == ["1", "0"]
    assert list(health.loc["Finished"]) == ["3", "1"]
    assert list(health.loc["Hours of training"]) == ["0.04", "0.01"]
    assert list(health.loc["Core-hours"]) == ["0.04", "0.01"]
    assert list(health.loc["GPU-hours"]) == ["0.00", "0.00"]
    assert list(health.loc["Duplicates avoided"]) == ["not recorded", "not recorded"]
    assert tables["endings"].shown.empty


def test_failed_and_pruned_trials_alone(tmp_path: Path) -> None:
    failed = Proposal(plan="jjjjjjg", status="failed", reason="loss <nan> at step 7", seconds=None)
    write_search(tmp_path / "runs", Entry(proposals=[FOUND[1], FOUND[2], failed]))
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    for words in (
        "No configuration has been trained to the end, so there is no best one.",
        "No candidate has been trained to the end: nothing is drawn.",
        "No finished candidate was validated more than once",
        "loss &lt;nan&gt; at step 7",
        "There is no random search to compare it with",
        "No confirmation of it is in these records.",
    ):
        assert words in text
    assert (tmp_path / "out" / "figures" / "placement_placement.svg").is_file()


def test_failed_trials_alone(tmp_path: Path) -> None:
    write_search(tmp_path / "runs", Entry(proposals=[Proposal(status="failed", reason="disk full", seconds=None)]))
    text = text_of(page_of(tmp_path))
    assert "disk full" in text
    assert "No step has been reached by all candidates: nothing is drawn." in text
    assert "No candidate has a gain yet." in text


def test_a_search_that_has_not_begun(tmp_path: Path) -> None:
    write_search(tmp_path / "runs", Entry(search={"trials": 40}))
    page = page_of(tmp_path)
    text, headings = text_of(page), re.findall(r'<h2 id="placement-(\w+)">', page.read_text(encoding="utf-8"))
    assert headings == ["question", "best", "trials", "health", "provenance"], "what is empty has no heading"
    assert "nothing is drawn" in text.split("Not drawn", 1)[1].lower()
    assert "the search has tried 0 of 40 configurations so far." in text
    assert "Incomplete: 0 of 40 candidates of the search have ended." in text


def test_an_incomplete_search(tmp_path: Path) -> None:
    waiting = [Proposal(plan="jgjjjjj", status="running"), Proposal(plan="gjjjjjj", status="missing")]
    write_search(tmp_path / "runs", Entry(proposals=[*FOUND, *waiting], search={"trials": 40}))
    write_search(tmp_path / "runs", Entry(name="placement-random", search={"control_of": "placement", "trials": 40}))
    text = text_of(page_of(tmp_path))
    assert "the search has tried 5 of 40 configurations so far (3 trained to the end, 2 stopped early)" in text
    assert "Incomplete: 5 of 40 candidates of the search have ended, 2 proposed and not ended." in text
    assert "Incomplete: 0 of 40 candidates of the random control have ended." in text
    assert "the best of the random control is not known, since none was trained to the end" in text
    assert "Candidates without a result: 2 of 7." in text


def test_several_objectives_show_their_front(tmp_path: Path) -> None:
    # ggggggg has the most gain, sssgjjg the fewest FLOPs and smooth fields; jjjjjjj is no better than it in any.
    goals = {"objectives": ["dice", "regularity", "flops"], "searcher": "nsga2", "early_stopping": False}
    write_search(tmp_path / "runs", Entry(proposals=[FOUND[0], *FOUND[3:]], search=goals))
    text = text_of(page_of(tmp_path))
    assert "Of 3 finished configurations, 2 are on the front of val Dice, regularity and FLOPs: no other" in text
    assert (tmp_path / "out" / "figures" / "placement_front.svg").is_file()
    assert not (tmp_path / "out" / "figures" / "placement_incumbent.svg").exists()
    shown = search_tables(load_searches([tmp_path / "runs"])[0])["candidates"].shown
    assert list(shown["Front"]) == ["yes", "yes", ""]


def test_several_data_sets_make_one_section(tmp_path: Path) -> None:
    both = {"datasets": ["brains", "hippocampus"], "floors": {"brains": 0.3, "hippocampus": 0.5}}
    for dataset, identity in both["floors"].items():  # type: ignore[attr-defined]
        write_search(
            tmp_path / "runs",
            Entry(name=f"p-{dataset}", dataset=dataset, identity=identity, proposals=FOUND, search=both),
        )
        write_search(
            tmp_path / "runs",
            Entry(name=f"p-random-{dataset}", dataset=dataset, identity=identity, proposals=DRAWN,
                 search=both | {"control_of": "p"}),
        )  # fmt: skip
    text = text_of(page_of(tmp_path))
    assert text.count('<article id="p') == 1
    assert "Synthetic images: a data set is simulated." in text
    assert "counted from identity at 0.300 (brains) and 0.500 (hippocampus)" in text
    assert "mean over 1 seed and 2 data sets" in text


def test_settings_are_drawn(tmp_path: Path) -> None:
    space = {"base": BASE, "operators": "", "parameters": SETTINGS}
    points: list[dict[str, Any]] = [
        {"gate.granularity": "voxel", "gate.initial_bias": None, "gate.hard": True, "loss.kl_weight": 0.01},
        {"gate.granularity": "scalar", "gate.initial_bias": 0.0, "gate.hard": False, "loss.kl_weight": 0.1},
    ]
    proposals = [Proposal(values=point, gains=(0.1 * place, 0.2)) for place, point in enumerate(points)]
    write_search(tmp_path / "runs", Entry(name="gate", proposals=proposals, search={"space": space}))
    text = text_of(page_of(tmp_path))
    assert "gate.initial_bias: none, 0.0" in text
    assert "loss.kl_weight: 0.001 to 0.1, on a logarithmic scale" in text
    assert "Main effect of each setting." in text
    assert "Gain by stage and operator" not in text


def test_an_effect_shows_every_candidate_and_the_mean_of_each_value() -> None:
    points = pd.DataFrame({"part": SEARCH, "value": [None, 0.0, 0.0], "shared_gain": [0.1, 0.2, 0.4]}, dtype=object)
    points = points.astype({"shared_gain": float}).assign(label=["a", "b", "c"], order=range(3))
    table = settings(
        points.assign(values=points["value"].map(lambda bias: {"gate.initial_bias": bias})),
        {"parameters": SETTINGS[1:2]},
    )
    effects = main_effects(table, points["shared_gain"]).assign(part=SEARCH)
    ax = search_plots.effect(Figure().subplots(), points, effects, SETTINGS[1])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["none", "0.0"]
    means = [lines.get_segments()[0] for lines in ax.collections]  # type: ignore[attr-defined]
    assert [float(mean[0, 1]) for mean in means] == pytest.approx([0.1, 0.3])


def test_the_heat_map_prints_gains_and_counts(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    cells = placement(load_searches([tmp_path])[0].of(SEARCH), "jsg")
    ax = Figure().subplots()
    mesh = search_plots.placement(ax, cells, norm=Normalize(0, 0.1))
    texts = {tuple(np.floor(text.get_position())): text.get_text() for text in ax.texts}
    assert texts[0, 1] == "+0.020\n2"
    assert texts[3, 3] == "+0.010\n1"
    assert (6, 3) not in texts
    coloured = ~np.ma.getmaskarray(np.ma.asarray(mesh.get_array())).reshape(4, 7)
    assert coloured.sum() == (cells["candidates"] >= FEWEST_FOR_COLOUR).sum() > 0
    assert [label.get_text() for label in ax.get_yticklabels()] == ["joint", "single", "gate", "dead"]


def test_every_drawing_has_words(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    captioned_figures = list(search_figures(load_searches([tmp_path])[0]))
    assert all(captioned.figure is not None and len(captioned.alt) > 60 for captioned in captioned_figures)


def test_text_for_the_terminal(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    lines = arms_text([tmp_path], study="placement").splitlines()
    assert lines[0].startswith("placement: a search")
    assert lines[3].split()[:7] == ["Search", "by", "TPE", "ggggggg", "(AutoFuse)", "+0.0800", "200"]
    both = arms_text([tmp_path])
    assert "AutoFuse  0.7" in both
    assert "sssgjjg" in both
    write_search(tmp_path, Entry(name="empty"))
    assert arms_text([tmp_path], study="empty").startswith("empty: a search")


def test_a_control_without_its_search(tmp_path: Path) -> None:
    control = {"control_of": "placement", "searcher": "random"}
    write_search(tmp_path / "runs", Entry(name="placement-random", proposals=DRAWN, search=control))
    records = load_searches([tmp_path / "runs"])[0]
    assert records.name == "placement"
    assert list(records.planned) == [CONTROL]
    assert "The best of the random control is jsjsjsj" in search_summary(records)[1]
    page_of(tmp_path)


def test_the_base_of_a_search_is_named(tmp_path: Path) -> None:
    space = {"base": BASE | {"gate": {"temperature": 1.0}}, "operators": "", "parameters": []}
    base = Proposal(values={"temperature": 1.0}, gains=(0.1,))
    write_search(tmp_path, Entry(proposals=[base, replace(base, values={"temperature": 2.0})], search={"space": space}))
    assert list(load_searches([tmp_path])[0].candidates["name"]) == ["base", ""]


def test_unknown_objectives_and_operators_do_not_break_the_page(tmp_path: Path) -> None:
    search = {"objectives": ["speed"], "space": PLACEMENT | {"operators": "jsgx"}}
    write_search(tmp_path / "runs", Entry(proposals=FOUND, search=search))
    assert "x (unknown)" in text_of(page_of(tmp_path))


def test_a_damaged_history_costs_its_candidate(tmp_path: Path) -> None:
    write_search(tmp_path / "runs", Entry(proposals=FOUND))
    entry = json.loads((tmp_path / "runs" / "studies" / "placement.json").read_text())
    (tmp_path / "runs" / entry["arms"][0]["keys"]["0"] / "history.csv").write_text("step,val_dice\n50,much\n")
    records = load_searches([tmp_path / "runs"])[0]
    assert list(records.candidates["state"][:1]) == ["failed"]
    assert "column 'val_dice' holds 'much'" in records.problems[0]
    page_of(tmp_path)
