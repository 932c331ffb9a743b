"""One study on several data sets, published figures, fronts, and what the command line chooses among them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports import plot
from reports.__main__ import main
from reports.analysis.comparison import compare_studies
from reports.analysis.datasets import across
from reports.analysis.datasets_summary import BEST, HOLDS, MATTERS, SURE, across_summary
from reports.analysis.weight_sweeps import with_fronts
from reports.dataframe import load
from reports.figures.datasets import across_figure
from reports.page.datasets import across_sections
from reports.page.overview import studies_overview
from reports.records.files import METRICS
from reports.records.metric import METRICS_BY_NAME
from reports.tables.datasets import across_table, interaction_table
from reports.tables.groups import side_by_side
from reports.tables.published import published
from tests.reports.records_fixture import ARMS, FUSION_ARMS, Arm, Records, write_records

pytestmark = pytest.mark.usefixtures("svg_alone")


def write_sets(
    runs: Path, sets: dict[str, dict[str, float]], *, budget: dict[str, Any] | None = None, **records: Any
) -> None:
    """The same study on several data sets; the true Dice of each arm on each."""
    for name, dice in sets.items():
        arms = tuple(Arm(label=label, plan=label, dice=value) for label, value in dice.items())
        definition: dict[str, Any] = {"dataset": {"name": name, "title": name}, "reference": "a"}
        definition |= {"budget": budget} if budget else {}
        write_records(runs, Records(arms=arms, name=f"fusion-{name}", definition=definition, **records))


SETS = {"brains": {"a": 0.6, "b": 0.7, "c": 0.5}, "hearts": {"a": 0.8, "b": 0.7, "c": 0.5}}

SHARED = (
    "a and b share the best mean rank over 2 data sets, of the 3 arms that each of them has; no test confirms this "
    "order."
)


def test_every_metric_of_the_records_is_known() -> None:
    assert tuple(METRICS_BY_NAME) == METRICS
    assert [name for name, metric in METRICS_BY_NAME.items() if metric.higher_is_better] == [
        "dice",
        "segmentation_dice",
    ]


def test_ranks_across_by_hand(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=1)
    joined = across(compare_studies([tmp_path]))
    assert len(joined) == 1
    assert joined[0].ranks.to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0}
    table = across_table(joined[0]).shown.set_index("Arm")
    assert str(table.loc["a", "brains"]).endswith("(2)")
    assert table["Mean rank"].to_dict() == {"a": "1.50", "b": "1.50", "c": "3.00"}
    answers = across_summary(joined[0])
    assert answers[BEST] == SHARED
    assert answers[HOLDS].startswith("Whether the order holds is undecided for all 3 pairs of arms.")
    assert answers[SURE].startswith("Seeds of a network: brains 1; hearts 1. A claim needs 3, so brains and hearts")
    assert "no test: Friedman's is not made, it needs 6 data sets, there are 2" in answers[SURE]


def test_a_turn_of_the_order_is_shown_with_the_interaction_and_its_interval(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=3)
    study = across(compare_studies([tmp_path]))[0]
    assert study.order.reversed_pairs == (("a", "b"),)
    assert study.order.holds == 2
    answers = across_summary(study)
    assert answers[HOLDS].startswith("The order is reversed for 1 of 3 pairs of arms (a and b).")
    assert ": its difference to a is 0." in answers[HOLDS]
    assert answers[MATTERS].startswith("On brains, 3 of 3 pairs of networks differ significantly: b scored 0.2")
    change = study.interactions.set_index("arm").loc["b"]
    assert change["change"] == pytest.approx(0.2, abs=0.03)
    assert change["low"] < change["change"] < change["high"]
    assert interaction_table(study).caption.endswith("The order is reversed for 1 of 3 pairs of arms (a and b).")


def test_an_order_that_is_the_same_everywhere_holds(tmp_path: Path) -> None:
    write_sets(tmp_path, {"brains": SETS["brains"], "livers": SETS["brains"]}, seeds=3)
    assert across(compare_studies([tmp_path]))[0].order.sentence == "The order holds for all 3 pairs of arms."


def test_six_sets_are_enough_for_a_test(tmp_path: Path) -> None:
    write_sets(tmp_path, {f"set{number}": SETS["brains"] for number in range(6)}, seeds=1, blocks=2)
    study = across(compare_studies([tmp_path]))[0]
    assert study.test.statistic == pytest.approx(12)
    assert "Friedman over 6 data sets: χ² = 12.0, p = 0.002" in across_table(study).caption


def test_an_arm_that_a_set_lacks_is_left_out(tmp_path: Path) -> None:
    write_sets(tmp_path, {"brains": SETS["brains"], "hearts": {"a": 0.6, "b": 0.5}}, seeds=1)
    study = across(compare_studies([tmp_path]))[0]
    assert list(study.means) == ["a", "b"]
    assert across_table(study).caption.endswith("On brains alone, and left out: c.")


def test_an_arm_that_one_of_three_sets_lacks_is_compared_on_the_others(tmp_path: Path) -> None:
    brains, lacking = SETS["brains"], {"a": 0.6, "c": 0.5}
    write_sets(tmp_path, {"brains": brains, "hearts": lacking, "livers": brains}, seeds=3)
    study = across(compare_studies([tmp_path]))[0]
    assert list(study.means.index) == ["brains", "livers", "hearts"], "the sets with most arms beside each other"
    assert study.order.holds == 3
    shown = across_table(study).shown.set_index("Arm")
    assert list(shown.loc["b", ["hearts", "Mean rank"]]) == ["no result", ""]
    assert study.ranks.to_dict() == {"a": 1, "c": 2}
    assert set(zip(study.interactions["arm"], study.interactions["second"], strict=True)) >= {("b", "livers")}
    figure = across_figure(study)
    assert "Without a mark: no result on that data set." in figure.caption
    assert figure.figure is not None
    lines = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in figure.figure.axes[0].lines]
    assert [lines[0], lines[2]] == [[2, 2, 1], [3, 3, 3]], "the column of two arms is as tall as those of three"
    assert lines[1][:2] == [1, 1]
    assert np.isnan(lines[1][2])


def test_a_set_with_one_seed_decides_nothing_and_undoes_nothing(tmp_path: Path) -> None:
    write_sets(tmp_path, {"brains": SETS["brains"], "livers": SETS["brains"]}, seeds=3)
    write_sets(tmp_path, {"hearts": SETS["hearts"]}, seeds=1, budget={"name": "quick-120", "steps": 120})
    study = across(compare_studies([tmp_path]))[0]
    assert set(study.sets) == {"brains", "livers", "hearts"}, "a budget with steps of its own is the same budget"
    assert study.order.sentence == "The order holds for all 3 pairs of arms."
    summary = across_summary(study)
    assert "On hearts, no claim can be made (one seed); in these trainings a scored 0." in summary[MATTERS]
    assert "so hearts cannot decide the order of two networks" in summary[SURE]
    assert "Training was not equally long: steps on brains 600; livers 600; hearts 120." in summary[SURE]


def test_floor_and_optimised_arms_are_no_pairs_of_the_order(tmp_path: Path) -> None:
    for name in SETS:
        definition = {"dataset": {"name": name, "title": name}}
        write_records(tmp_path, Records(arms=ARMS, name=f"fusion-{name}", definition=definition))
    study = across(compare_studies([tmp_path]))[0]
    assert "identity" in study.means
    assert study.compared == ["AutoFuse", "early", "late"]


def test_pairs_within_and_between_subjects_are_told_apart(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=1)
    for path in tmp_path.glob("fusion-hearts*/eval/val/pairs.csv"):
        pairs = pd.read_csv(path, dtype=str)
        pairs.assign(fixed_person="p" + pairs["block"], moving_person="p" + pairs["block"]).to_csv(path, index=False)
    study = across(compare_studies([tmp_path]))[0]
    assert study.kinds["hearts"] == "within subjects"
    assert study.kinds["brains"] in ("", "between subjects")
    figure = across_figure(study).figure
    assert figure is not None
    assert "hearts\nwithin subjects" in [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_a_line_an_arm_and_a_column_a_set_show_a_turn(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=1)
    ax = plot.across_datasets(load(tmp_path))
    drawn = [list(np.asarray(line.get_ydata())) for line in ax.lines]
    assert drawn == [[2, 1], [1, 2], [3, 3]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["brains", "hearts"]
    names = [text.get_text().split() for text in ax.texts]
    assert {name for name, _ in names[::2]} == {name for _, name in names[1::2]} == {"a", "b", "c"}
    assert all(mean.startswith("0.") for _, mean in names[::2])
    with pytest.raises(ValueError, match="must be of two arms on several data sets"):
        plot.across_datasets(load(tmp_path, study="fusion-brains"))


def test_an_overview_leads_to_each_study(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=1)
    comparisons = compare_studies([tmp_path])
    overview = studies_overview(comparisons)
    assert overview is not None
    assert [row["links"][0] for row in overview["rows"]] == ["#fusion-brains", "#fusion-hearts"]
    assert [row["cells"][2] for row in overview["rows"]] == ["b", "a"], "the best of each, baseline or not"
    assert studies_overview(comparisons[:1]) is None


def test_one_data_set_is_not_across(runs: Path) -> None:
    assert across(compare_studies([runs])) == []


def test_section_of_several_sets(tmp_path: Path) -> None:
    write_sets(tmp_path, SETS, seeds=1)
    section = next(iter(across_sections(compare_studies([tmp_path]), tmp_path / "out")))
    assert section["summary"][BEST] == SHARED
    assert section["figure"]["svg"]
    assert (tmp_path / "out" / section["figure"]["files"]["SVG"]).is_file()
    assert (tmp_path / "out" / "tables" / "fusion-quick-across-data-sets.tex").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dataset", "livers"], "no study on data set 'livers'; there are: hippocampus"),
        (["--primary", "iou"], "no metric named 'iou'; there are: dice, hd95_mm, assd_mm"),
        (
            ["--primary", "endpoint_error_mm"],
            "no evaluated trial has the metric 'endpoint_error_mm'; recorded metrics are: dice",
        ),
    ],
)
def test_unknown_names_list_the_known_and_write_nothing(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main([str(runs), "--out", str(tmp_path / "out"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_page_of_one_data_set_by_another_metric(tmp_path: Path) -> None:
    write_sets(tmp_path / "runs", {"brains": {"a": 0.7, "b": 0.4}, "hearts": {"a": 0.7, "b": 0.5}})
    options = ["--dataset", "hearts", "--primary", "hd95_mm"]
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "out"), *options]) == 0
    text = (tmp_path / "out" / "index.html").read_text()
    assert "a has a lower mean HD95 than b." in text
    assert "HD95 (mm); lower is better" in text
    assert " mm higher than a, the largest significant difference (95 % interval +" in text
    assert "fusion-brains" not in text


def add_to_arms(runs: Path, label: str, **entries: object) -> None:
    path = runs / "studies" / "fusion.json"
    definition = json.loads(path.read_text())
    for arm in definition["arms"]:
        if arm["label"] == label:
            arm |= entries
    path.write_text(json.dumps(definition))


def test_published_figures_stand_beside_measured_ones(runs: Path) -> None:
    entries = [
        {"dataset": "hippocampus", "metric": "dice", "value": 0.83, "source": "Estienne et al."},
        {"dataset": "mindboggle", "metric": "dice", "value": 0.571, "source": "Meng et al."},
        {"metric": "dice"},
        "nonsense",
    ]
    add_to_arms(runs, "early", published=entries)
    comparison = compare_studies([runs])[0]
    table = published(comparison)
    mean = comparison.arms.set_index("arm")["dice"]["early"]
    assert table.shown[["Data set", "Published", "Measured here"]].to_numpy().tolist() == [
        ["hippocampus", "0.83", f"{mean:.3f}"],
        ["mindboggle", "0.571", "not measured"],
    ]
    assert "they are context" in table.caption


def test_without_published_figures_there_is_no_table(runs: Path) -> None:
    assert published(compare_studies([runs])[0]).shown.empty


def test_a_front_joins_arms_that_differ_in_one_weight(tmp_path: Path) -> None:
    arms = tuple(Arm(label=f"{plan}, {weight}", group=f"KL {weight}", plan=plan) for plan in "ab" for weight in (1, 2))
    write_records(tmp_path, Records(arms=arms, seeds=1))
    for arm in arms:
        loss = {"kl_weight": int(arm.label[-1]), "window": 9}
        add_to_arms(tmp_path, arm.label, method={"name": "fusion", "plan": arm.plan, "loss": loss})
    comparison = compare_studies([tmp_path])[0]
    fronts = with_fronts(comparison.records.definition, comparison.arms)
    assert fronts.groupby("front")["arm"].apply(list).to_list() == [["a, 1", "a, 2"], ["b, 1", "b, 2"]]
    assert fronts["weight"].to_list() == [1, 1, 2, 2]
    assert set(fronts["varied"]) == {"KL weight"}


def test_matched_arms_of_unlike_width_are_on_no_front(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=FUSION_ARMS, seeds=1))
    comparison = compare_studies([tmp_path])[0]
    assert with_fronts(comparison.records.definition, comparison.arms)["front"].isna().all()


def test_strategies_stand_side_by_side(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=FUSION_ARMS))
    table = side_by_side(compare_studies([tmp_path])[0])
    assert list(table.shown) == ["Arm", "published widths", "matched by parameters", "matched by FLOPs"]
    assert list(table.shown["Arm"]) == ["early", "middle", "late"]
