"""The checklist claims what the records show and no more."""

import json
from pathlib import Path

import pytest

from reports.analysis.comparison import compare_studies
from reports.checklist.checklist import checklist
from reports.records.search import load_searches
from reports.tables.table import Table
from tests.reports.records_fixture import ARMS, Records, write_records

RESULTS = Path(__file__).parents[3] / "experiments" / "results"
ITEMS = ["1a", "1b", "1c", "1d", "1e", "2a", "2b", "2c", "2d", "2e", "2f", "2g", "2h", "3a", "3b", "3c"]
OF_A_SEARCH = ("1b", "1d", "1e", "2f")


def answers(*runs: Path) -> dict[str, tuple[str, str]]:
    table = made(*runs)
    return {row[0]: (row[2], row[3]) for row in table.shown.itertuples(index=False, name=None)}


def made(*runs: Path) -> Table:
    return checklist(compare_studies(runs), load_searches(runs))


def change(path: Path, **facts: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def test_every_item_has_an_answer_and_its_ground(runs: Path) -> None:
    answered = answers(runs)
    assert list(answered) == ITEMS
    assert {answer for answer, _ in answered.values()} <= {"shown", "in part", "not shown", "does not apply"}
    assert all(ground.endswith(".") and len(ground) > 20 for _, ground in answered.values())
    assert {number for number, (answer, _) in answered.items() if answer == "does not apply"} == set(OF_A_SEARCH)


def test_three_seeds_are_several_runs_and_one_is_not(tmp_path: Path) -> None:
    write_records(tmp_path / "three", Records(arms=ARMS[:2]))
    write_records(tmp_path / "one", Records(arms=ARMS[:2], seeds=1))
    assert answers(tmp_path / "three")["2g"] == (
        "shown",
        "2 trained arms evaluated, with 3 seeds each. Seeds: 0, 1, 2.",
    )
    assert answers(tmp_path / "one")["2g"] == ("in part", "2 trained arms evaluated, with 1 seed each. Seeds: 0.")


def test_commits_are_named_and_changes_are_said(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    assert answers(tmp_path)["1a"][0] == "in part"  # that code is released is not for records to show
    change(folders["early", "0"] / "measured.json", commit="fedcba9876543210+")
    assert "fedcba987654 had uncommitted changes" in answers(tmp_path)["1a"][1].replace("+", "")
    for folder in folders.values():
        change(folder / "measured.json", commit=None)
    assert answers(tmp_path)["1a"] == ("not shown", "No trial records the commit that it ran.")
    assert answers(tmp_path)["3c"] == ("in part", "Configurations are recorded; missing: commit of 2 trials.")


def test_hardware_and_time_that_differ_are_confounders(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    for folder in folders.values():
        change(folder / "measured.json", training_s=60.0)
    assert answers(tmp_path)["2b"][0] == "shown"
    change(folders["early", "0"] / "measured.json", host_cpu="another CPU", training_s=90.0)
    answer, ground = answers(tmp_path)["2b"]
    assert answer == "in part"
    assert "Not the same: processor (" in ground
    assert "another CPU" in ground
    assert "and time to train (60 to 90 s a trial)." in ground


def test_the_split_of_selection_is_not_the_best_protocol(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    answer, ground = answers(tmp_path)["2d"]
    assert answer == "in part"
    assert "evaluated on the selection split" in ground


def test_other_data_is_not_the_same_benchmark(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    with_losses(tmp_path, {"kl_weight": 0.1}, {"kl_weight": 0.1})
    assert answers(tmp_path)["2a"] == ("shown", "fusion: one data set, split val, one budget, one loss.")
    record = folders["early", "0"] / "record.json"
    configuration = json.loads(record.read_text())["configuration"]
    change(record, configuration=configuration | {"dataset": {"name": "hippocampus", "fingerprint": "0" * 16}})
    assert answers(tmp_path)["2a"] == ("in part", "Not the same everywhere: fusion: 2 fingerprints of the data.")


def with_losses(runs: Path, *losses: dict[str, float] | None) -> None:
    study = runs / "studies" / "fusion.json"
    arms = json.loads(study.read_text())["arms"]
    for arm, loss in zip(arms, losses, strict=True):
        arm["method"]["loss"] = loss
    change(study, arms=arms)


@pytest.mark.parametrize(
    ("losses", "ground"),
    [
        (({"kl_weight": 0.1}, {"kl_weight": 0.2}), "fusion: trained with 2 different losses"),
        (({"kl_weight": 0.1}, None), "fusion: the loss of 1 arm is not recorded"),
    ],
)
def test_losses_that_differ_or_are_not_known_are_not_the_same_training(
    tmp_path: Path, losses: tuple[dict[str, float] | None, ...], ground: str
) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    with_losses(tmp_path, *losses)
    assert answers(tmp_path)["2a"] == ("in part", f"Not the same everywhere: {ground}.")


def test_a_trial_that_names_no_data_is_not_shown_to_have_the_same(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    with_losses(tmp_path, {"kl_weight": 0.1}, {"kl_weight": 0.1})
    record = folders["early", "0"] / "record.json"
    configuration = json.loads(record.read_text())["configuration"]
    change(record, configuration=configuration | {"dataset": {"name": "hippocampus"}})
    assert answers(tmp_path)["2a"] == ("in part", "Not the same everywhere: fusion: 1 trial without fingerprint.")


def test_costs_that_were_measured_on_two_machines_are_a_confounder(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    for (label, _), folder in folders.items():
        change(folder / "cost.json", host_cpu=f"CPU of {label}")
    assert "processor of the cost measurements (" in answers(tmp_path)["2b"][1]
    (folders["early", "0"] / "cost.json").unlink()
    assert answers(tmp_path)["3c"][1].endswith(" The latency of 1 arm was not measured.")


def test_arms_that_differ_in_one_setting_are_an_ablation(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    assert answers(tmp_path)["2c"] == ("shown", "fusion: 1 arm unlike AutoFuse in plan alone.")
    study = tmp_path / "studies" / "fusion.json"
    arms = json.loads(study.read_text())["arms"]
    arms[1]["method"]["refine"] = False
    change(study, arms=arms)
    assert answers(tmp_path)["2c"][0] == "not shown"


def test_a_search_without_its_control_shows_no_random_search(tmp_path: Path) -> None:
    answered = answers(RESULTS / "placement")
    assert answered["2f"][0] == "shown"
    assert "40 of 40 random candidates have ended beside 40 of 40 of the search" in answered["2f"][1]
    assert "searcher tpe, seed 0" in answered["1e"][1]
    assert answered["2g"][0] == "in part"  # searched once
    assert answered["1b"][0] == answered["1d"][0] == "in part"


def test_records_of_nothing_show_nothing(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1))
    for folder in tmp_path.glob("fusion*"):
        (folder / "record.json").unlink()
    answered = answers(tmp_path)
    assert {number for number, (answer, _) in answered.items() if answer in ("shown", "in part")} <= {"3a"}


@pytest.mark.parametrize("name", ["fusion", "placement", "tuning"])
def test_committed_records_are_answered(name: str) -> None:
    markdown = made(RESULTS / name).markdown()
    assert all(f"| {number} |" in markdown for number in ITEMS)
    assert "JMLR 21(243)" in markdown


def test_a_choice_that_the_records_speak_against_is_not_quoted(runs: Path) -> None:
    path = next(runs.glob("studies/*.json"))
    untrue = "The recipe was chosen by mean val Dice over plans of either decoding, equal trials each."
    path.write_text(json.dumps(json.loads(path.read_text()) | {"protocol": [untrue]}))
    answer = checklist(compare_studies([runs]), []).shown.set_index("Item").loc["3a"]
    assert answer["Answer"] == "not shown"
    assert answer["From the records"] == "How settings were chosen is not in these records."
