"""A study that is trained on one data set and tested, or selected, on another, as its user calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.runner.command_line import parse
from experiments.runner.sweep_plan import make_sweeps
from experiments.study import Study, find_study
from experiments.sweep import main
from fusemorph.data import open_dataset
from fusemorph.data.datasets.multi_atlas import MultiAtlas
from fusemorph.storage import RecordError, read_table
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing, run_job

SETTINGS: dict[str, Any] = {"spacing_mm": 8.0, "train": 4, "val": 4, "test": 4}


@pytest.fixture
def line(brains_cache: Path, tmp_path: Path) -> list[str]:
    """A fusion network, the identity and the true displacement, on virtual brains."""
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"virtual_brains.{name}={value}")]
    arms = [word for label in ("identity", "C2F AutoFuse", "oracle") for word in ("--arm", label)]
    places = ["--runs", str(tmp_path / "runs"), "--cache", str(brains_cache)]
    return ["quickstart", "--dataset", "virtual_brains", "--budget", "smoke", *settings, *arms, *places]


@pytest.fixture
def atlas(tmp_path: Path) -> list[str]:
    """Where the files of multi-atlas lie, and their settings."""
    given: dict[str, Any] = MultiAtlas.example(tmp_path / "atlas")
    settings = [f"multi_atlas.{name}={json.dumps(value)}" for name, value in given.items() if name != "data"]
    return [*(word for setting in settings for word in ("--set", setting)), "--data", f"multi_atlas={given['data']}"]


def jobs(line: list[str]) -> dict[str, Job]:
    """The trials of a line, by their arms."""
    options, study = parse(line), find_study("quickstart")
    assert options is not None
    assert isinstance(study, Study)
    (sweep,) = make_sweeps(study, options)
    by_key = {job.trial.key: job for job in sweep.jobs()}
    return {arm.label: by_key[trial.key] for arm, trial in sweep.trials}


def test_evaluations_on_another_set_lie_beside_the_own_ones(
    line: list[str], atlas: list[str], brains_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, line = tmp_path / "runs", [*line, *atlas, "--evaluate-on", "multi_atlas"]
    assert main([*line, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "evaluated on test, multi_atlas-val" in planned  # test is not there in whole
    assert "not applicable on multi_atlas-val: oracle" in planned
    assert main([*line, "--workers", "2"]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "Preprocessed differently: multi_atlas (" in shown
    trained = open_dataset("virtual_brains", cache=brains_cache, **SETTINGS)
    by_arm = jobs(line)
    for label in ("identity", "C2F AutoFuse"):
        folder = runs / by_arm[label].trial.key
        place = folder / "eval" / "multi_atlas-val"
        summary = json.loads((place / "summary.json").read_text())
        assert summary["dataset"]["name"] == "multi_atlas"
        assert len(summary["dataset"]["fingerprint"]) == 64
        assert summary["trained_on"] == {"name": "virtual_brains", "fingerprint": trained.fingerprint()}
        assert f"{summary['dice']['mean']:.3f} (" in shown
        assert len(read_table(place / "pairs.csv")) == summary["pairs"]
        assert (folder / "eval" / "test" / "pairs.csv").exists()
        assert (
            "multi_atlas" not in (folder / "record.json").read_text()
        )  # what is tested is no part of what was trained
    assert not (runs / by_arm["oracle"].trial.key / "eval" / "multi_atlas-val").exists()
    page = next((runs / "reports").rglob("index.html")).read_text()
    assert "(in distribution)" in page
    assert "(out of distribution)" in page

    job = by_arm["identity"]
    place = runs / job.trial.key / "eval" / "multi_atlas-val"
    assert not is_missing(job, runs)
    kept = {path.name: path.read_bytes() for path in place.iterdir()}
    place.rename(tmp_path / "away")
    assert is_missing(job, runs)
    assert run_job(job, runs) == "finished"  # only what is missing is done, to the same bytes
    assert {path.name: path.read_bytes() for path in place.iterdir()} == kept
    (place / "summary.json").write_text(json.dumps(summary | {"dataset": {"name": "multi_atlas"}}))
    with pytest.raises(RecordError, match="with other files or settings; move its folder away"):
        is_missing(job, runs)


@pytest.mark.slow
def test_ray_writes_the_same_evaluations_on_another_set(
    line: list[str], atlas: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, ray = tmp_path / "runs", tmp_path / "ray"
    line = [*line, *atlas, "--evaluate-on", "multi_atlas"]
    assert main([*line, "--workers", "1"]) == 0, capsys.readouterr().err
    assert main([*line, "--executor", "ray", "--runs", str(ray)]) == 0, capsys.readouterr().err
    for label in ("identity", "C2F AutoFuse"):
        place = Path(jobs(line)[label].trial.key) / "eval" / "multi_atlas-val"
        for name in ("pairs.csv", "labels.csv", "summary.json"):
            assert (ray / place / name).read_bytes() == (runs / place / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "ray"])
def test_what_a_search_has_found_is_evaluated_on_another_set(
    executor: str, line: list[str], atlas: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = line[line.index("--dataset") : line.index("--arm")] + line[line.index("--runs") :]
    few = ["--trials", "2", "--confirm", "1", "--confirm-budget", "smoke", "--confirm-seeds", "1", "--no-control"]
    call = ["placement", *given, *atlas, *few, "--searcher", "random", "--evaluate-on", "multi_atlas"]
    assert main([*call, "--executor", executor]) == 0, capsys.readouterr().err
    studies = tmp_path / "runs" / "studies"
    (confirmed,) = (path for path in studies.iterdir() if "best-of" in path.name)
    arms = json.loads(confirmed.read_text())["arms"]
    assert any(arm["group"] == "found" for arm in arms)
    for key in (key for arm in arms for key in arm["keys"].values()):
        summary = json.loads((tmp_path / "runs" / key / "eval" / "multi_atlas-val" / "summary.json").read_text())
        assert (summary["dataset"]["name"], summary["trained_on"]["name"]) == ("multi_atlas", "virtual_brains")


def test_a_study_may_select_on_another_set(line: list[str], atlas: list[str], tmp_path: Path) -> None:
    listed = jobs(line)["C2F AutoFuse"]
    other = jobs([*line, *atlas, "--select-on", "multi_atlas"])["C2F AutoFuse"]
    for job in (listed, other):
        assert run_job(job, tmp_path / "runs") == "finished"
    mine, theirs = (tmp_path / "runs" / job.trial.key for job in (listed, other))
    assert (mine / "weights.safetensors").read_bytes() == (theirs / "weights.safetensors").read_bytes()
    histories = [read_table(folder / "history.csv") for folder in (mine, theirs)]
    losses, dice = ([[row[name] for row in rows] for rows in histories] for name in ("loss", "val_dice"))
    assert losses[0] == losses[1]
    assert dice[0] != dice[1]
    assert other.trial.dataset["select_on"]["name"] == "multi_atlas"
    assert other.trial.dataset["fingerprint"] == listed.trial.dataset["fingerprint"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--evaluate-on", "virtual_brains"], "virtual_brains is the training data set"),
        (["--evaluate-on", "virtual_brain"], "virtual_brain"),
        (["--select-on", "virtual_brains"], "virtual_brains is the training data set"),
        (["--set", "ixi.align=none"], "--set names ixi, but the sweep runs on virtual_brains"),
        (["--data", "ixi=/nowhere"], "--data names ixi"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    more: list[str], message: str, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*line, *more]) == 2
    assert message in capsys.readouterr().err


def test_a_set_is_evaluated_once(line: list[str], atlas: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line, *atlas, "--evaluate-on", "multi_atlas-val", "--evaluate-on", "multi_atlas"]) == 2
    assert "multi_atlas-val is named more than once" in capsys.readouterr().err
