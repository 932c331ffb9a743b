"""The study of a supernet as its user calls it: priced, run, gone on with, extended, and refused where it cannot be."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from experiments.sweep import main
from fusemorph.fusion.plan import enumerate_plans
from tests.data.folder_files import fill

SMALL = ["--operators", "sg", "--budget", "smoke", "--supernet-steps", "6", "--seeds", "2", "--score-pairs", "1"]
FEW = [*SMALL, "--confirm", "1", "--sample", "4", "--proxy", "parameters", "--proxy", "nwot"]
NAME = "oneshot-sg-folder-smoke"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices: what is trained costs little, since the study is under test."""
    folder = tmp_path_factory.mktemp("oneshot")
    names = fill(folder / "set", 6, shape=(20, 18))
    splits = [split for split in ("train", "val", "test") for _ in range(2)]
    rows = [f"{name},{name},{split}" for name, split in zip(names, splits, strict=True)]
    (folder / "set" / "splits.csv").write_text("\n".join(["image,person,split", *rows]) + "\n")
    return folder


def call(folder: Path, *arguments: str) -> int:
    data = ["--dataset", "folder", "--data", f"folder={folder / 'set'}"]
    places = (("--runs", "runs"), ("--cache", "cache"))
    words = [word for option, name in places for word in (option, str(folder / name))]
    return main(["oneshot", *data, *words, *arguments])


def entry(folder: Path, name: str = NAME) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "runs" / "studies" / f"{name}.json").read_text())
    return read


def written(folder: Path) -> dict[Path, bytes]:
    """What must not change when the study is called again."""
    kept = [*(folder / "runs").glob("*/record.json"), *(folder / "runs" / "estimates").glob("*/*.json")]
    return {path: path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def finished(folder: Path) -> str:
    """The study, run once; what it said."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said:
        patch.setattr("reports.plots.style.FILES", {})
        assert call(folder, *FEW) == 0
    return said.getvalue()


def test_a_supernet_is_trained_scored_and_compared(
    folder: Path, finished: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{NAME}: plans scored with shared weights:" in finished
    assert "agreement with val Dice of 5 plans trained alone, 95 % intervals over plans" in finished
    table = finished.partition("Kendall tau")[2].splitlines()[1:6]
    assert [row.split("  ")[0] for row in table] == [
        "supernet", "parameters", "nwot", "stopped at 1/2", "trained once",
    ]  # fmt: skip
    labels = [arm["label"] for arm in entry(folder)["arms"]]
    assert labels[0] == "identity"
    assert len(labels) == 1 + 5
    assert all(arm["keys"].keys() == {"0", "1"} for arm in entry(folder)["arms"][1:])
    (supernet,) = entry(folder, f"{NAME}-supernet")["arms"]
    record = json.loads((folder / "runs" / supernet["keys"]["0"] / "record.json").read_text())
    assert (record["status"], record["step"], record["plan"]) == ("finished", 6, "ggggggg")
    kept = json.loads((folder / "runs" / "estimates" / f"{NAME}.json").read_text())
    shared, *proxies = kept["estimators"][:3]
    best = sorted(shared["scores"], key=lambda plan: -shared["scores"][plan])[:1]
    assert labels[1:2] == best
    assert set(kept["alone"]) == set(labels[1:])
    assert [len(proxy["scores"]) for proxy in proxies] == [5, 5]
    assert shared["seconds"] > 0
    assert not [path for path in (folder / "runs").glob("*/eval/*") if path.name != "val"]
    assert call(folder, *FEW, "--dry-run") == 0
    priced = capsys.readouterr().out
    assert "supernet: 6 steps, uniform draws, trained already" in priced
    assert "scores: 0 plans on 1 val pairs" in priced


@pytest.mark.slow
@pytest.mark.usefixtures("finished", "svg_alone")
def test_an_extended_study_repeats_nothing(folder: Path) -> None:
    before, labels = written(folder), [arm["label"] for arm in entry(folder)["arms"]]
    assert call(folder, *FEW[:-4], "--proxy", "parameters", "--seeds", "1", "--sample", "5", "--fine-tune") == 0
    assert before.items() <= written(folder).items()
    arms = {arm["label"]: arm for arm in entry(folder)["arms"]}
    assert len(arms) == len(labels) + 2
    assert arms.keys() > set(labels)
    (tuned,) = (arm for arm in arms.values() if arm["group"] == "fine-tuned")
    assert tuned["label"] == f"{labels[1]}, fine-tuned"


def test_a_dry_run_prices_each_part_and_writes_nothing(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").symlink_to(folder / "set")
    assert call(tmp_path, *FEW, "--dry-run", "--price", "2", "--fine-tune") == 0
    output = capsys.readouterr().out
    plans = len(enumerate_plans("sg"))
    assert f"{NAME}: {plans} plans of the space sg" in output
    assert f"scores: {plans} plans on 1 val pairs, about" in output
    assert "proxies: parameters, nwot of 5 plans, about" in output
    assert "alone: 5 plans x 2 seeds, 4 steps each, the best 1 and 4 others, the best 1 of them also from" in output
    assert "core-hours in all" in output
    assert "at 2 an hour" in output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--confirm", "0", "--sample", "0"], "no plan is trained alone"),
        (["--searcher", "tpe"], "--searcher: the study oneshot has no use for it"),
        (["--objective", "nwot"], "--objective: the study oneshot has no use for it"),
        (["--warm-start", "nwot"], "--warm-start: the study oneshot has no use for it"),
        (["--arm", "identity"], "--arm: the study oneshot has no use for it"),
        (["--operators", "x"], "unknown operator x"),
        (["--operators", "j"], "a space of one plan has nothing to share"),
        (["--space", "tiny"], "--operators and --space: give one of them"),
        (["--space", "huge"], "--space: must be one of tiny, placement, got 'huge'"),
        (["--proxy", "nwt"], "--proxy: must be one of"),
        (["--draw", "often"], "--draw: must be one of uniform, fair, got 'often'"),
        (["--supernet-steps", "0"], "--supernet-steps: must be from 1"),
        (["--dataset", "virtual_brains"], "--dataset: a supernet is trained on one data set"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "set").symlink_to(folder / "set")
    assert call(tmp_path, *SMALL, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("finished")
def test_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, folder: Path) -> None:
    """Killed again and again, wherever it is; the records are those of a study that nobody stopped."""
    (tmp_path / "set").symlink_to(folder / "set")
    (tmp_path / "cache").symlink_to(folder / "cache")
    data = ["--dataset", "folder", "--data", f"folder={folder / 'set'}", "--cache", str(folder / "cache")]
    line = [sys.executable, "-m", "experiments.sweep", "oneshot", *data, "--runs", str(tmp_path / "runs"), *FEW]
    seen: dict[Path, bytes] = {}
    for count in (1, 3, 8, 11, 14, 20):
        with subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            while process.poll() is None and len(_ended(tmp_path)) < count:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGKILL)
        assert seen.items() <= _ended(tmp_path).items()
        seen = _ended(tmp_path)
    assert call(tmp_path, *FEW) == 0
    assert seen.items() <= _ended(tmp_path).items()
    names = [{path.relative_to(place / "runs") for path in _ended(place)} for place in (tmp_path, folder)]
    assert names[0] <= names[1]
    weights = [_weights(place) for place in (tmp_path, folder)]
    assert weights[0].items() <= weights[1].items()


def _ended(place: Path) -> dict[Path, bytes]:
    """Records that have ended, and scores: neither may ever change."""
    return {path: kept for path, kept in written(place).items() if b'"running"' not in kept}


def _weights(place: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (place / "runs").glob("*/weights.safetensors")}
