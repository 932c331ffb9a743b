"""Studies exported for MLflow and Weights & Biases, written by their libraries and read back."""

import gzip
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.export import main
from experiments.trackers import tracked_trials

ROOT = Path(__file__).parents[2]
STUDY, KEY = "quickstart-virtual_brains-brief", "040a5d2c78cdb550"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Records of a study that is kept in the repository, one of its trials at half its steps, another with slices."""
    runs = tmp_path / "runs"
    shutil.copytree(ROOT / "experiments" / "results" / "quickstart", runs)
    drawn = {
        f"{rank}_{name}": np.full((4, 5), 9, np.uint8)
        for rank in ("best", "median")
        for name in ("fixed", "moving", "warped")
    }
    np.savez_compressed(runs / KEY / "eval" / "test" / "pictures.npz", **drawn)  # type: ignore[arg-type]
    return runs


def set_back(runs: Path) -> dict[str, bytes]:
    """Make the trial one that runs, at half its validations; returns its files as they were."""
    record, history = runs / KEY / "record.json", runs / KEY / "history.csv.gz"
    kept = {path.name: path.read_bytes() for path in (record, history)}
    record.write_text(json.dumps(json.loads(kept[record.name]) | {"status": "running"}))
    lines = gzip.decompress(kept[history.name]).splitlines(keepends=True)
    history.write_bytes(gzip.compress(b"".join(lines[:3])))
    return kept


def export(runs: Path, out: Path, tracker: str) -> None:
    for _ in range(2):
        assert main([str(runs), STUDY, str(out), "--format", tracker, "--pictures"]) == 0


def test_a_trial_as_trackers_know_it(runs: Path) -> None:
    (trial,) = [trial for trial in tracked_trials(runs, STUDY, pictures=True) if trial.key == KEY]
    assert trial.settings["budget.width"] == 8
    assert trial.settings["method.plan"] == "jjjjjjj"
    assert trial.settings["budget.clip_norm"] == 1.0
    assert trial.metrics["test/dice.mean"] == pytest.approx(0.70702, abs=1e-5)
    assert [row["step"] for row in trial.curves] == [75, 150, 225, 300]
    assert set(trial.pictures) == {"test-best.png", "test-median.png"}
    before = trial.content
    set_back(runs)
    assert next(trial.content for trial in tracked_trials(runs, STUDY) if trial.key == KEY) != before


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_without_the_package_it_says_what_to_install(
    runs: Path, tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiments.trackers.find_spec", lambda name: None)
    assert main([str(runs), STUDY, str(tmp_path / "out"), "--format", tracker]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert f"pip install -e '.[{tracker}]'" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_slices_of_people_stay_where_they_are(
    runs: Path, tmp_path: Path, tracker: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.trackers.find_spec", lambda name: True)
    path = runs / "studies" / f"{STUDY}.json"
    study = json.loads(path.read_text())
    path.write_text(json.dumps(study | {"dataset": study["dataset"] | {"synthetic": False}}))
    assert main([str(runs), STUDY, str(tmp_path / "out"), "--format", tracker, "--pictures"]) == 2
    assert "slices of people stay where they are" in capsys.readouterr().err


@pytest.mark.trackers
@pytest.mark.filterwarnings("ignore:.*noload.*")  # MLflow's, of SQLAlchemy
def test_mlflow_reads_what_was_written_once(runs: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    out, kept = tmp_path / "out", set_back(runs)
    export(runs, out, "mlflow")
    client = MlflowClient(tracking_uri=f"sqlite:///{out}/mlflow.db")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None

    def found() -> Any:
        return client.search_runs([experiment.experiment_id], filter_string=f"tags.key = '{KEY}'")[0]

    assert len(client.search_runs([experiment.experiment_id])) == 6
    assert found().info.status == "RUNNING"
    assert [m.step for m in client.get_metric_history(found().info.run_id, "val_dice")] == [75, 150]
    for name, content in kept.items():
        (runs / KEY / name).write_bytes(content)
    export(runs, out, "mlflow")
    run = found()
    assert len(client.search_runs([experiment.experiment_id])) == 6
    assert run.info.status == "FINISHED"
    assert run.info.run_name.endswith(" seed 0")
    history = sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, "val_dice"))
    assert [step for step, _ in history] == [75, 150, 225, 300]
    assert history[-1][1] == pytest.approx(0.685635, abs=1e-6)
    assert run.data.params["method.loss.window"] == "9"
    assert run.data.metrics["test/dice.mean"] == pytest.approx(0.70702, abs=1e-5)
    assert len(client.get_metric_history(run.info.run_id, "test/dice.mean")) == 1
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["test-best.png", "test-median.png"]


@pytest.mark.trackers
def test_wandb_reads_what_was_written_once(runs: Path, tmp_path: Path) -> None:
    out, kept = tmp_path / "out", set_back(runs)
    export(runs, out, "wandb")
    (half,) = out.glob(f"wandb/offline-run-*-{KEY}")
    assert len([record for record in records(half) if record.WhichOneof("record_type") == "history"]) >= 2
    for name, content in kept.items():
        (runs / KEY / name).write_bytes(content)
    export(runs, out, "wandb")
    assert len(list(out.glob("wandb/offline-run-*"))) == 6
    (folder,) = out.glob(f"wandb/offline-run-*-{KEY}")
    config: dict[str, Any] = {}
    curve: dict[int, float] = {}
    summary: dict[str, Any] = {}
    for record in records(folder):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            assert record.run.run_id == KEY
            config |= values(record.run.config.update)
        elif kind == "history":
            row = values(record.history.item)
            curve |= {row["_step"]: row["val_dice"]} if "val_dice" in row else {}
        elif kind == "summary":
            summary |= values(record.summary.update)
    assert config["method.loss.window"] == 9
    assert list(curve) == [75, 150, 225, 300]
    assert summary["test/dice.mean"] == pytest.approx(0.70702, abs=1e-5)
    assert summary["status"] == "finished"
    assert len(list(folder.glob("files/media/images/*.png"))) == 2


def values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def records(folder: Path) -> Iterator[Any]:
    """The records of an offline run: a log of LevelDB's form after 7 bytes, whose blocks have 32 KiB."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    data, at, whole = path.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, part = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if part in (1, 4):  # whole, or the last of several parts
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""
