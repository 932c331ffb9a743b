"""The sweep as its user calls it."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from experiments.export import main as export
from experiments.runner.labels import over_labels
from experiments.studies.fusion import COARSE_TO_FINE, DIRECT
from experiments.study import SearchStudy, Study, find_study, known_studies, register_study
from experiments.sweep import main
from fusemorph.configuration import BUDGETS, find_budget
from fusemorph.storage import RecordError
from reports.page import write_report

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4", "--budget", "smoke"]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "experiments" / "sweep.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def quickstart(
    brains_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], subprocess.CompletedProcess[str]]:
    runs = tmp_path_factory.mktemp("sweep") / "runs"
    line = ["quickstart", *SMALL, "--runs", str(runs), "--cache", str(brains_cache)]
    return runs, line, call(*line)


def contents(runs: Path) -> dict[str, str]:
    files = (p for p in runs.rglob("*") if p.is_file() and "reports" not in p.parts)
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_first_run_ends_in_a_table_and_a_report(quickstart) -> None:  # type: ignore[no-untyped-def]
    runs, _, finished = quickstart
    assert finished.returncode == 0, finished.stderr
    for label in ("identity", *COARSE_TO_FINE, "oracle"):
        assert label in finished.stdout
    page = Path(finished.stdout.split("report: ")[1].splitlines()[0])
    assert page.is_file()
    study = json.loads((runs / "studies" / "quickstart-virtual_brains-smoke.json").read_text())
    assert len(study["arms"]) == 6
    for arm in study["arms"]:
        record = json.loads((runs / arm["keys"]["0"] / "record.json").read_text())
        assert record["status"] == "finished"


def test_the_same_line_again_does_nothing(quickstart, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    runs, line, _ = quickstart
    before = contents(runs)
    monkeypatch.setattr("sys.argv", ["sweep.py", *line])
    assert main(line) == 0
    assert contents(runs) == before


def test_a_dry_run_shows_every_trial_and_writes_nothing(quickstart, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    runs, line, _ = quickstart
    before = contents(runs)
    assert main([*line, "--dry-run", "--seeds", "2"]) == 0
    shown = capsys.readouterr().out
    assert "C2F AutoFuse seed 1" in shown
    assert shown.count("finished") == 6
    assert shown.count("to do") == 4
    assert contents(runs) == before


def test_a_dry_run_names_what_does_not_fit_a_card(quickstart, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    _, line, _ = quickstart
    for gib, misfits in (("0.001", 4), ("1", 0)):
        assert main([*line, "--dry-run", "--card-memory", gib]) == 0
        shown = capsys.readouterr().out
        assert shown.count("does not fit: C2F ") == misfits
        assert "MiB" in shown


def test_a_dry_run_answers_for_a_thousand_seeds(quickstart, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    _, line, _ = quickstart
    assert main([*line, "--dry-run", "--seeds", "1000"]) == 0
    assert capsys.readouterr().out.count("to do") == 4 * 999


def test_an_arm_is_planned_with_another_plan_beside_its_own(quickstart, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    _, line, _ = quickstart
    again = ["--arm", "C2F AutoFuse", "--plan=---/cccc", "--name", "decoded", "--dry-run"]
    assert main([*line, *again]) == 0
    shown = capsys.readouterr().out
    assert "C2F AutoFuse as ---/cccc seed 0" in shown
    assert (shown.count("finished"), shown.count("to do")) == (2, 0)  # that of C2F correlation, which has been trained


def test_an_arm_is_refined_for_each_pair_beside_its_own(quickstart, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    _, line, _ = quickstart
    chosen = [word for label in ("identity", "C2F AutoFuse") for word in ("--arm", label)]
    assert main([*line, *chosen, "--refine", "3", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "C2F AutoFuse, refined in 3 steps seed 0" in shown
    assert "identity, refined in 3 steps seed 0" in shown
    assert (shown.count("finished"), shown.count("to do")) == (2, 2)


def test_the_numbers_can_be_taken_along_without_images_or_paths(quickstart, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    runs, _, _ = quickstart
    name = "quickstart-virtual_brains-smoke"
    assert export([str(runs), name, str(tmp_path / "out")]) == 0
    assert export([str(runs), name, str(tmp_path / "out")]) == 0  # the same numbers again are no conflict
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {"".join(path.suffixes) for path in files} == {".json", ".csv.gz"}
    assert list(runs.rglob("viewer.npz"))  # images: among the numbers only where asked for, and simulated
    assert export([str(runs), name, str(tmp_path / "shown"), "--pictures"]) == 0
    assert len(list((tmp_path / "shown").rglob("viewer.npz"))) == len(list(runs.rglob("viewer.npz")))
    definition = runs / "studies" / f"{name}.json"
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / f"{name}.json").write_text(definition.read_text().replace('"synthetic": true', '"x": 1'))
    assert export([str(tmp_path), name, str(tmp_path / "people"), "--pictures"]) == 2
    assert any(path.name == "gates.csv.gz" and path.parent.parent.name == "eval" for path in files)
    text = "".join(path.read_text() for path in files if path.suffix == ".json")
    assert str(runs) not in text
    page = write_report([tmp_path / "out"], tmp_path / "page", study=name)
    assert "C2F AutoFuse" in page.read_text()
    history = next((tmp_path / "out").rglob("history.csv.gz"))
    history.write_bytes(b"other numbers")
    assert export([str(runs), name, str(tmp_path / "out")]) == 2
    assert history.read_bytes() == b"other numbers"


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    for name in ("fusion", "quickstart", "virtual_brains", "hippocampus", "ggggggg", "gate", "quick", "identity"):
        assert name in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "unknown study 'nonsense'; known:"),
        (["quickstart", "--budget", "huge"], "unknown budget 'huge'; known: smoke"),
        (["quickstart", "--dataset", "virtual_brain"], "did you mean virtual_brains?"),
        (["fusion"], "Task04_Hippocampus"),
        (["fusion", "--data", "hippocampus=/nowhere"], "/nowhere"),
        (["quickstart", "--data", "acdc=/nowhere"], "acdc"),
        (["quickstart", "--set", "colour=blue"], "colour"),
        (["quickstart", "--set", "colour"], "colour"),
        (["quickstart", "--set", "cache=x"], "['--set cache']"),
        (["quickstart", "--set", "self=1"], "must be among"),
        (["quikstart"], "did you mean quickstart?"),
        (["quickstart", "--arm", "C2F AutoFus"], "did you mean C2F AutoFuse?"),
        (["quickstart", "--set", "val=1", "--set", "spacing_mm=8.0"], "split 'val' must hold pairs"),
        (["quickstart", "--name", "a/b"], "--name"),
        (["quickstart", "--arm", "identity", "--plan", "late"], "identity has no plan to be replaced"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_starts_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--runs", str(tmp_path / "runs")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_device_that_is_not_there_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--device", "cuda:99"]) == 2
    assert "--device: cuda:99 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in known_studies() if isinstance(find_study(name), Study)])
def test_every_study_has_a_reference_among_distinct_arms(name: str) -> None:
    study = find_study(name)
    assert isinstance(study, Study)
    arms = study.arms((24, 32, 24), BUDGETS["smoke"])
    labels = [arm.label for arm in (over_labels(arms, (0, 5), subjects=5) if study.labels else arms)]
    assert len(set(labels)) == len(labels)
    assert study.reference in labels
    find_budget(study.budget)


@pytest.mark.parametrize("name", [name for name in known_studies() if isinstance(find_study(name), SearchStudy)])
def test_every_search_has_a_space_that_its_method_knows(name: str) -> None:
    study = find_study(name)
    assert isinstance(study, SearchStudy)
    space = study.space(BUDGETS["smoke"], study.operators)
    space.check()
    size = space.size()
    assert size is None or size > study.trials
    assert {study.budget, study.confirm_budget} <= set(BUDGETS)
    assert [arm.label for arm in study.comparison_arms(BUDGETS["smoke"])] == [*DIRECT, *COARSE_TO_FINE]


ENTRY: dict[str, Any] = {"name": "a", "study": "s", "dataset": {}, "budget": {}, "reference": "x"}
ENTRY |= {"reported_split": "val", "seeds": [0], "skipped": {}}
ARM = {"label": "x", "group": "g", "method": {"name": "identity"}, "budget_changes": {}, "keys": {"0": "k0"}}


def written(runs: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((runs / "studies" / "a.json").read_text())
    return entry


def test_a_name_keeps_its_definition_and_may_gain_seeds_and_arms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in ("first", "second", "first"):
        monkeypatch.setattr("sys.argv", ["/somewhere/sweep.py", line])
        register_study(tmp_path, ENTRY | {"arms": [ARM]})
    register_study(tmp_path, ENTRY | {"seeds": [1], "arms": [ARM | {"keys": {"1": "k1"}}]})
    assert written(tmp_path)["arms"][0]["keys"] == {"0": "k0", "1": "k1"}
    assert written(tmp_path)["seeds"] == [0, 1]
    assert written(tmp_path)["command"] == ["sweep.py first", "sweep.py second"]
    with pytest.raises(RecordError, match=r"a\.json defines another study"):
        register_study(tmp_path, ENTRY | {"dataset": {"name": "another"}, "arms": [ARM]})
    for changes in ({"keys": {"0": "a key of other numerics"}}, {"method": {"name": "syn"}}):
        with pytest.raises(RecordError, match=r"a\.json has x with other settings, data or numerics; choose another"):
            register_study(tmp_path, ENTRY | {"arms": [ARM | changes]})
    register_study(tmp_path, ENTRY | {"arms": [ARM | {"label": "mine"}, ARM]})
    assert [arm["label"] for arm in written(tmp_path)["arms"]] == ["mine", "x"]


def test_a_method_may_join_once_its_package_is_there_and_stays_where_it_is_not(tmp_path: Path) -> None:
    other = ARM | {"label": "syn", "keys": {"0": "k1"}}
    register_study(tmp_path, ENTRY | {"arms": [ARM], "skipped": {"syn": "pip install antspyx"}})
    for arms, skipped in (([other, ARM], {}), ([ARM], {"syn": "pip install antspyx"})):
        register_study(tmp_path, ENTRY | {"arms": arms, "skipped": skipped})
        assert {arm["label"]: arm["keys"] for arm in written(tmp_path)["arms"]} == {
            "syn": {"0": "k1"},
            "x": {"0": "k0"},
        }
        assert written(tmp_path)["skipped"] == {}
