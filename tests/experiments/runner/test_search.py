"""A search as its user calls it: planned, run, extended, confirmed, and refused where it cannot be."""

import json
from pathlib import Path

import pytest

from experiments.runner.command_line import parse
from experiments.runner.search_setup import stops_early
from experiments.studies.fusion import COARSE_TO_FINE
from experiments.sweep import main
from fusemorph.catalogue import FOLDERS
from nas.objectives import find_objectives
from reports.page import write_report
from tests.data.folder_files import fill
from tests.entry_files import write_entries

STUDY = '''"""The search over placements, confirmed beside two arms alone. Source: made up for a test."""

from dataclasses import replace

from experiments.studies import placement

STUDY = replace(placement.STUDY, comparison_arms=lambda budget: placement.STUDY.comparison_arms(budget)[-2:])
'''
CONFIRM = ["--confirm", "1", "--confirm-budget", "smoke", "--confirm-seeds", "1"]
NAME = "few-folder-smoke"
CONFIRMED = f"{NAME}-best-of-3-1-smoke"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices, and the study: what is trained costs little, since the search is under test."""
    folder = tmp_path_factory.mktemp("search")
    write_entries(folder / "entries", {"studies/few.py": STUDY})
    names = fill(folder / "set", 6, shape=(20, 18))
    splits = [split for split in ("train", "val", "test") for _ in range(2)]
    rows = [f"{name},{name},{split}" for name, split in zip(names, splits, strict=True)]
    (folder / "set" / "splits.csv").write_text("\n".join(["image,person,split", *rows]) + "\n")
    return folder


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``--entries`` names is forgotten after each test."""
    monkeypatch.setenv(FOLDERS, "")


def call(folder: Path, study: str, *arguments: str) -> int:
    data = ["--dataset", "folder", "--data", f"folder={folder / 'set'}", "--budget", "smoke"]
    places = (("--entries", "entries"), ("--runs", "runs"), ("--cache", "cache"))
    return main([study, *data, *(word for option, name in places for word in (option, str(folder / name))), *arguments])


def arms(folder: Path, name: str) -> list[dict[str, object]]:
    return list(json.loads((folder / "runs" / "studies" / f"{name}.json").read_text())["arms"])


def test_a_search_is_run_confirmed_and_extended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "few", "--driver", "optuna", "--trials", "3", *CONFIRM) == 0
    output = capsys.readouterr().out
    assert "search by tpe: 3 configurations" in output
    assert "random control: 3 configurations" in output
    assert "found 1: " in output
    first = arms(folder, NAME)
    assert (len(first), len(arms(folder, f"{NAME}-random"))) == (3, 3)
    confirmed = [arm["label"] for arm in arms(folder, CONFIRMED)]
    assert confirmed[:3] == ["identity", *list(COARSE_TO_FINE)[-2:]]
    for arm in arms(folder, CONFIRMED):
        (key,) = arm["keys"].values()  # type: ignore[attr-defined]
        assert (folder / "runs" / key / "eval" / "test").is_dir()
    for arm in first:
        (key,) = arm["keys"].values()  # type: ignore[attr-defined]
        if not any(key in other["keys"].values() for other in arms(folder, CONFIRMED)):  # type: ignore[attr-defined]
            assert not (folder / "runs" / key / "eval").exists()
    chosen = (folder / "runs" / "studies" / f"{CONFIRMED}.json").read_bytes()
    assert call(folder, "few", "--driver", "optuna", "--trials", "3", "--no-control", *CONFIRM) == 0
    assert (folder / "runs" / "studies" / f"{CONFIRMED}.json").read_bytes() == chosen
    capsys.readouterr()
    assert call(folder, "few", "--driver", "optuna", "--trials", "5", "--no-control", "--confirm", "0") == 0
    assert "5 configurations, 3 of them known" in capsys.readouterr().out
    assert arms(folder, NAME)[:3] == first
    assert len({json.dumps(arm["method"]) for arm in arms(folder, NAME)}) == 5
    assert write_report([folder / "runs"], folder / "report").is_file()


@pytest.mark.parametrize("study", ["gate", pytest.param("full", marks=pytest.mark.slow)])
def test_points_with_many_values_are_known_again(folder: Path, study: str, capsys: pytest.CaptureFixture[str]) -> None:
    alone = ["--driver", "optuna", "--no-control", "--confirm", "0"]
    assert call(folder, study, *alone, "--trials", "1") == 0
    first = arms(folder, f"{study}-folder-smoke")
    assert call(folder, study, *alone, "--trials", "2") == 0
    assert "2 configurations, 1 of them known" in capsys.readouterr().out
    assert arms(folder, f"{study}-folder-smoke")[:1] == first


def test_another_definition_of_the_name_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, "few", "--driver", "optuna", "--trials", "3", "--operators", "js") == 2
    assert "defines another study of the name" in capsys.readouterr().err


def test_a_dry_run_tells_size_hours_and_price(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((folder / "runs").rglob("*"))
    assert call(folder, "placement", "--trials", "20", "--price", "2.5", "--dry-run", "--driver", "optuna") == 0
    output = capsys.readouterr().out
    assert "691 distinct plans, 691 configurations" in output
    assert "2 x 20 configurations x 1 trials" in output
    assert "core-hours" in output
    assert "at 2.5 an hour" in output
    assert sorted((folder / "runs").rglob("*")) == before


def test_a_proxy_is_an_objective_for_which_nothing_is_trained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--objective", "nwot", "--objective", "parameters", "--searcher", "nsga2", "--name", "untrained"]
    line += ["--no-control", "--confirm", "0"]
    assert call(folder, "few", *line, "--trials", "3", "--dry-run") == 0
    assert "1 x 3 configurations on 1 datasets, untrained, about" in capsys.readouterr().out
    trained = {path.parent.name for path in (folder / "runs").glob("*/record.json")}
    assert call(folder, "few", *line, "--trials", "3") == 0
    assert "nwot (untrained)" in capsys.readouterr().out
    first = arms(folder, "untrained")
    files = {path: path.read_bytes() for path in (folder / "runs" / "estimates").rglob("*.json")}
    assert len(files) == 2 * (3 + 1)
    assert call(folder, "few", *line, "--trials", "4") == 0
    assert arms(folder, "untrained")[:3] == first
    assert all(arm["keys"] == {} and len(arm["ended"]["values"]) == 2 for arm in arms(folder, "untrained"))  # type: ignore[index]
    assert all(path.read_bytes() == content for path, content in files.items())
    assert {path.parent.name for path in (folder / "runs").glob("*/record.json")} == trained
    assert write_report([folder / "runs"], folder / "report", study="untrained").is_file()


def test_a_warm_start_tries_the_best_by_a_proxy_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--searcher", "evolution", "--warm-start", "parameters", "--name", "warm", "--no-control", "--confirm", "0"]
    assert call(folder, "few", *line, "--trials", "2", "--dry-run") == 0
    assert "warm start: 100 configurations estimated by parameters" in capsys.readouterr().out
    assert call(folder, "few", *line, "--trials", "2") == 0
    (estimates,) = (folder / "runs" / "estimates").glob("parameters-*")
    scores = {
        record["plan"]: record["score"]
        for path in estimates.glob("*.json")
        if "plan" in (record := json.loads(path.read_text()))
    }
    tried = [scores[arm["method"]["plan"]] for arm in arms(folder, "warm")]  # type: ignore[index]
    assert len(scores) >= 100
    assert tried[0] >= tried[1] >= sorted(scores.values())[-20]
    searched = json.loads((folder / "runs" / "studies" / "warm.json").read_text())["search"]
    assert searched["warm_start"] == "parameters"


def test_several_objectives_give_a_front(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objectives = ["--objective", "dice", "--objective", "parameters", "--max-parameters", "100000"]
    line = ["--driver", "optuna", "--trials", "3", "--name", "front", "--no-control", "--confirm", "0", *objectives]
    assert call(folder, "placement", *line) == 0
    output = capsys.readouterr().out
    assert "search by nsga2" in output
    for arm in arms(folder, "front"):
        (key,) = arm["keys"].values()  # type: ignore[attr-defined]
        assert json.loads((folder / "runs" / key / "record.json").read_text())["parameters"] <= 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "dice", "--objective", "flops", "--early-stopping", "halving"], "judges trials by val Dice"),
        (["--max-parameters", "10", "--operators", "js"], "no configuration of the space satisfies it"),
        (["--driver", "inline", "--searcher", "tpe"], "driver inline offers random, grid, evolution, got 'tpe'"),
        (["--driver", "ray", "--searcher", "grid"], "driver ray offers tpe, nsga2, random, got 'grid'"),
        (["--operators", "jx"], "unknown operator"),
        (["--searcher", "evolution", "--objective", "dice", "--objective", "flops"], "takes one --objective"),
        (["--warm-start", "nwot"], "--warm-start: random learns nothing; choose --searcher tpe, nsga2, evolution"),
        (["--objective", "snip", "--max-folding", "0.1"], "--max-folding: nothing is trained for --objective snip"),
        (["--objective", "snip", "--semi"], "--objective snip: proxies are of fusion networks that segment nothing"),
        (["--confirm-budget", "huge"], "unknown budget 'huge'"),
        (["--driver", "ray", "--address", "127.0.0.1:1"], "no cluster"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    for name in ("entries", "set"):
        (tmp_path / name).symlink_to(folder / name)
    assert call(tmp_path, "placement", "--trials", "2", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*/record.json"))


@pytest.mark.parametrize(
    ("options", "stops"),
    [
        ([], True),
        (["--early-stopping", "none"], False),
        (["--dataset", "hippocampus"], False),
        (["--dataset", "hippocampus", "--early-stopping", "halving"], True),
        (["--seeds", "2"], False),
        (["--objective", "flops"], False),
    ],
)
def test_early_stopping_by_default_judges_a_candidate_with_one_trial_alone(options: list[str], stops: bool) -> None:
    call = parse(["placement", "--dataset", "virtual_brains", *options])
    assert call is not None
    assert stops_early(call, find_objectives(call.search.objectives or ["dice"])) == stops


def test_data_without_labels_are_searched_by_what_needs_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "scans", 8, labelled=False)
    line = ["placement", "--dataset", "folder", "--data", f"folder={tmp_path / 'scans'}", "--budget", "smoke"]
    line += ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache"), "--trials", "1"]
    assert main(line) == 2
    assert "--objective dice needs labels on val, folder has none" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert main([*line, "--objective", "regularity", "--confirm", "0"]) == 0
    assert "1 finished" in capsys.readouterr().out
    assert json.loads((tmp_path / "runs" / "studies" / "placement-folder-smoke.json").read_text())["search"]["floors"]
