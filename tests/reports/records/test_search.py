"""Searches become candidates: gains, endings, what was reused; and the summaries, against numbers worked by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.analysis import candidates
from reports.analysis import search as summaries
from reports.analysis.candidates import OBJECTIVES
from reports.records import NothingToReportError
from reports.records.definitions import CONTROL, SEARCH
from reports.records.reused import reused
from reports.records.search import SearchRecords, load_searches
from tests.reports.records_fixture import ARMS, Records, write_records
from tests.reports.search_fixture import DRAWN, FOUND, Entry, Proposal, search_and_control, write_search

DICE = OBJECTIVES["dice"]


@pytest.fixture
def records(tmp_path: Path) -> SearchRecords:
    search_and_control(tmp_path)
    return load_searches([tmp_path])[0]


def alone(folder: Path, *proposals: Proposal, **recorded: object) -> SearchRecords:
    write_search(folder, Entry(proposals=proposals, **recorded))  # type: ignore[arg-type]
    return load_searches([folder])[0]


def test_candidates_of_search_and_control(records: SearchRecords) -> None:
    assert records.name == "placement"
    assert records.planned == {SEARCH: 5, CONTROL: 2}
    assert records.problems == ()
    of_search = records.of(SEARCH)
    assert list(of_search["order"]) == [1, 2, 3, 4, 5]
    assert list(of_search["state"]) == ["finished", "pruned", "pruned", "finished", "finished"]
    assert list(of_search["step"]) == [200, 50, 100, 200, 200]
    assert of_search["gain"].tolist() == pytest.approx([0.06, np.nan, np.nan, 0.08, 0.07], nan_ok=True)
    assert of_search["last_gain"].tolist() == pytest.approx([0.06, 0.00, 0.02, 0.08, 0.07])
    assert of_search["gain_100"].tolist() == pytest.approx([0.04, np.nan, 0.02, 0.05, 0.05], nan_ok=True)
    assert list(of_search["name"]) == ["early", "", "late", "AutoFuse", ""]
    assert of_search["values"].iloc[2] == {"plan.7": "s"}
    assert of_search["parameters"].iloc[0] == 1_000_000
    assert of_search["seconds"].tolist() == [36, 9, 18, 36, 36]


def test_any_entry_of_a_search_names_it(tmp_path: Path) -> None:
    search_and_control(tmp_path)
    write_search(tmp_path, Entry(name="other", proposals=DRAWN))
    for name in ("placement", "placement-random"):
        assert [found.name for found in load_searches([tmp_path], study=name)] == ["placement"]
    assert len(load_searches([tmp_path])) == 2
    with pytest.raises(NothingToReportError, match="no study named 'gate'; there are: other, placement"):
        load_searches([tmp_path], study="gate")


def test_ordinary_studies_are_no_searches(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:1], seeds=1))
    assert load_searches([tmp_path]) == []


def test_a_search_that_has_not_begun(tmp_path: Path) -> None:
    records = alone(tmp_path)
    assert records.candidates.empty
    assert candidates.shared_step(records.candidates) is None
    assert candidates.best(records.candidates, DICE) is None
    assert summaries.fidelity(records) == []


def test_the_confirmation_is_found_by_its_name(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:1], seeds=1, name="placement-best-of-5"))
    assert alone(tmp_path, *FOUND).confirmations == ("placement-best-of-5",)


def test_gains_are_means_over_seeds_and_data_sets(tmp_path: Path) -> None:
    both = {"datasets": ["brains", "hippocampus"], "floors": {"brains": 0.3, "hippocampus": 0.5}, "trials": 2}
    pruned = Proposal(plan="ggggggg", gains=(0.01,), status="pruned")
    write_search(
        tmp_path,
        Entry(name="p-brains", dataset="brains", identity=0.3, search=both, seeds=2,
             proposals=[Proposal(plan="jjjjjjj", gains=(0.1, 0.2)), Proposal(plan="ggggggg", gains=(0.1, 0.2))]),
    )  # fmt: skip
    write_search(
        tmp_path,
        Entry(
            name="p-hippocampus", search=both, seeds=2, proposals=[Proposal(plan="jjjjjjj", gains=(0.2, 0.4)), pruned]
        ),
    )
    (records,) = load_searches([tmp_path], study="p-brains")
    assert records.name == "p"
    assert records.candidates["last_gain"].tolist() == pytest.approx([0.3, 0.055])
    assert list(records.candidates["state"]) == ["finished", "pruned"]
    assert list(records.candidates["step"]) == [100, 50]
    assert records.candidates["keys"].map(len).tolist() == [4, 4]
    assert records.dataset["title"] == "Images of brains and Images of hippocampus"
    assert records.dataset["synthetic"]


def test_a_data_set_that_is_not_there_is_said(tmp_path: Path) -> None:
    search = {"datasets": ["brains", "hippocampus"], "floors": {"brains": 0.3}}
    records = alone(tmp_path, *FOUND, name="p-hippocampus", search=search)
    assert "the search also ran on brains, which is not in these folders: gains leave it out" in records.problems
    assert "the search states no Dice of identity on hippocampus: its candidates have no gain" in records.problems


def test_endings(tmp_path: Path) -> None:
    records = alone(
        tmp_path,
        Proposal(plan="jjjjjjj", gains=(0.1,), status="failed", reason="non-finite loss at step 61"),
        Proposal(plan="jjjjjjg", status="running"),
        Proposal(plan="jjjjjgg", status="missing"),
        Proposal(plan="jjjjggg", gains=(float("nan"),)),
        Proposal(plan="jjjgggg", gains=(0.1,), folding=0.01),
        search={"limits": {"folding": 1e-3}, "trials": 9},
    )
    assert list(records.candidates["state"]) == ["failed", "running", "missing", "failed", "refused"]
    reasons = list(records.candidates["reason"])
    assert reasons[0] == "non-finite loss at step 61"
    assert reasons[2:] == ["not run", "has no val Dice", "folding fraction 0.0100 is above the limit of 0.001"]
    assert records.planned == {SEARCH: 9}


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"floors": {"hippocampus": "low"}}, "'floors' must hold numbers, holds 'low'"),
        ({"objectives": "dice"}, "'objectives' must be a list"),
    ],
)
def test_a_malformed_search_is_named(tmp_path: Path, search: dict[str, object], words: str) -> None:
    write_search(tmp_path, Entry(search=search))
    with pytest.raises(NothingToReportError, match=words):
        load_searches([tmp_path])


def test_the_same_search_in_two_folders_is_joined(tmp_path: Path) -> None:
    write_search(tmp_path / "a", Entry(proposals=FOUND[:2]))
    write_search(tmp_path / "b", Entry(proposals=FOUND))
    (records,) = load_searches([tmp_path / "a", tmp_path / "b"])
    assert list(records.candidates["plan"]) == [candidate.plan for candidate in FOUND]


def test_labels_that_round_to_the_same_text_stay_apart(tmp_path: Path) -> None:
    write_search(tmp_path, Entry(proposals=FOUND[:2]))
    path = tmp_path / "studies" / "placement.json"
    entry = json.loads(path.read_text())
    entry["arms"][1]["label"] = entry["arms"][0]["label"]
    path.write_text(json.dumps(entry))
    (tmp_path / "more" / "studies").mkdir(parents=True)
    (tmp_path / "more" / "studies" / "placement.json").write_text(json.dumps(entry))
    assert len(load_searches([tmp_path, tmp_path / "more"])[0].candidates) == 2


def test_who_trained_a_shared_trial() -> None:
    keys = {"fusion": {"a", "b"}, "search": {"b", "c", "d"}, "control": {"c", "e"}}
    started = {"a": "2026-01", "b": "2026-02", "c": "2026-03", "d": "2026-04", "e": "2026-05"}
    assert reused("fusion", keys, started) == frozenset()
    assert reused("search", keys, started) == {"b"}
    assert reused("control", keys, started) == {"c"}


def test_a_reused_candidate_is_marked(tmp_path: Path) -> None:
    shared = replace(FOUND[0], key=alone(tmp_path, *FOUND).candidates["keys"][0][0])
    control = {"control_of": "placement", "trials": 2}
    write_search(tmp_path, Entry(name="placement-random", proposals=(shared, DRAWN[0]), search=control))
    records = load_searches([tmp_path])[0]
    assert not records.of(SEARCH)["reused"].any()
    assert list(records.of(CONTROL)["reused"]) == [True, False]


def test_what_a_search_stopped_counts_as_it_was_then(tmp_path: Path) -> None:
    later = Proposal(plan="------s", gains=(0.01, 0.02, 0.05, 0.10), ended={"state": "pruned", "step": 100})
    records = alone(tmp_path, FOUND[0], later)
    row = records.candidates.iloc[1]
    assert (row["state"], row["step"], row["seconds"]) == ("pruned", 100, 18.0)
    assert row["last_gain"] == pytest.approx(0.02)
    assert np.isnan(row["gain"])
    assert row["gain_200"] == pytest.approx(0.10)
    assert row["reason"] == "stopped at step 100; another study has trained it to its end since"
    assert summaries.incumbent(records, SEARCH)["best"].tolist() == pytest.approx([0.06, 0.06])


def test_incumbent_by_hand(records: SearchRecords) -> None:
    curve = summaries.incumbent(records, SEARCH)
    assert curve["best"].tolist() == pytest.approx([0.06, 0.06, 0.06, 0.08, 0.08])
    assert (curve["compute"] * 3600).tolist() == pytest.approx([36, 45, 63, 99, 135])
    assert summaries.incumbent(records, CONTROL)["best"].tolist() == pytest.approx([0.04, 0.04])


def test_incumbent_waits_for_the_first_that_finishes(tmp_path: Path) -> None:
    records = alone(tmp_path, FOUND[1], FOUND[0])
    assert summaries.incumbent(records, SEARCH)["best"].tolist() == pytest.approx([np.nan, 0.06], nan_ok=True)


def test_compute_without_seconds_is_steps_times_flops(tmp_path: Path) -> None:
    records = alone(tmp_path, FOUND[1], replace(FOUND[3], seconds=None))
    price, unit = summaries.compute(records)
    assert price.tolist() == pytest.approx([50 * 10e9 / 1e15, 200 * 20e9 / 1e15])
    assert "FLOPs" in unit


def test_placement_by_hand(records: SearchRecords) -> None:
    of_search = records.of(SEARCH)
    assert candidates.shared_step(of_search) == 50
    cells = candidates.placement(of_search, "jsg").set_index(["operator", "stage"])
    # Gains at step 50: jjjjjjj .02, sjjjjjj .00, ------s .01, ggggggg .03, sssgjjg .04.
    by_hand = {
        ("j", 1): (0.02, 1), ("s", 1): (0.02, 2), ("g", 1): (0.03, 1), ("-", 1): (0.01, 1),
        ("j", 5): (0.02, 3), ("g", 4): (0.035, 2), ("-", 6): (0.01, 1),
        ("s", 7): (0.01, 1), ("g", 7): (0.035, 2), ("j", 7): (0.01, 2),
    }  # fmt: skip
    for place, (gain, number) in by_hand.items():
        assert cells.loc[place, "gain"] == pytest.approx(gain), place
        assert cells.loc[place, "candidates"] == number
    assert cells.loc[("-", 7), "candidates"] == 0
    assert np.isnan(cells["gain"].loc[("-", 7)])
    assert (cells.groupby("stage")["candidates"].sum() == 5).all()


def test_without_pruning_the_shared_step_is_the_last(tmp_path: Path) -> None:
    assert candidates.shared_step(alone(tmp_path, FOUND[0], FOUND[3]).candidates) == 200


def test_fidelity_by_hand(tmp_path: Path) -> None:
    # Early .04 .02 .03 .01, final .07 .06 .08 .04: ranks 4 2 3 1 and 3 2 4 1, so rho = 1 - 6 * 2 / (4 * 15) = 0.8.
    rungs = summaries.fidelity(alone(tmp_path, FOUND[0], FOUND[3], FOUND[4], DRAWN[0], FOUND[1]))
    assert [(rung.step, rung.last) for rung in rungs] == [(50, 200), (100, 200), (150, 200)]
    assert rungs[0].correlation == pytest.approx(0.8)
    assert len(rungs[0].gains) == 4


def test_two_points_have_no_rank_correlation(tmp_path: Path) -> None:
    rungs = summaries.fidelity(alone(tmp_path, FOUND[0], FOUND[3]))
    assert np.isnan(rungs[0].correlation)


def test_front_by_hand() -> None:
    points = pd.DataFrame({"gain": [0.1, 0.2, 0.2, 0.3, np.nan], "flops": [1.0, 2.0, 3.0, 3.0, 0.5]})
    assert list(candidates.front(points, [DICE, OBJECTIVES["flops"]])) == [True, True, False, True, False]


def test_effect_leaves_out_where_it_is_inactive(tmp_path: Path) -> None:
    space = {"base": {}, "operators": "", "parameters": [{"name": "gate.temperature", "values": [0.5, 1.0]}]}
    records = alone(
        tmp_path,
        Proposal(values={"gate.temperature": 0.5}, gains=(0.1, 0.2)),
        Proposal(values={"gate.hard": True}, gains=(0.1, 0.3)),
        Proposal(values={"gate.temperature": 1.0}, gains=(0.3,), status="pruned"),
        search={"space": space},
    )
    points = candidates.effect(records.candidates, space["parameters"][0])  # type: ignore[index]
    assert list(points["value"]) == [0.5, 1.0]
    assert points["shared_gain"].tolist() == pytest.approx([0.1, 0.3])


def test_ranking_puts_the_finished_first(records: SearchRecords) -> None:
    ranked = candidates.ranked(records.of(SEARCH), DICE)
    assert list(ranked["plan"]) == ["ggggggg", "sssgjjg", "jjjjjjj", "------s", "sjjjjjj"]
