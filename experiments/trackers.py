"""A study in the offline formats of MLflow and Weights & Biases, written by their own libraries, which are extras.

A run for each trial: its configuration, its curves, its final metrics, and pictures where they are asked for. Writing
again adds what trials have done since, and nothing twice.
"""

import hashlib
import io
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fusemorph.records import RECORD, history_of, read_record
from fusemorph.storage import RecordError, read_json, write_json

TRACKERS = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""The formats, each with the package that writes it."""
DRAWN = ("fixed", "moving", "warped")
DONE = "fusemorph.json"
"""In the folder of an offline run: what it holds."""
MOST_AT_ONCE = 1000
"""Points of a batch, of which MLflow takes no more."""
ENDED_AS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}


@dataclass(frozen=True, kw_only=True)
class TrackedTrial:
    """A trial as trackers know it. ``curves``: a row per validation, with its ``step``; ``pictures``: PNG files."""

    key: str
    name: str
    study: str
    status: str
    settings: Mapping[str, Any]
    curves: tuple[Mapping[str, float], ...]
    metrics: Mapping[str, float]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """A checksum of all of it."""
        facts = asdict(self) | {"pictures": {n: hashlib.sha256(p).hexdigest() for n, p in self.pictures.items()}}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def tracked_trials(runs: Path, name: str, *, pictures: bool = False) -> Iterator[TrackedTrial]:
    """The trials of a study that have begun; their curves may still grow.

    Raises:
        RecordError: the study or a record cannot be read, or ``pictures`` of a study whose images are not simulated.
    """
    path = runs / "studies" / f"{name}.json"
    study = read_json(path)
    if pictures and study["dataset"].get("synthetic") is not True:
        raise RecordError(f"{path} is not of simulated images: slices of people stay where they are")
    seen = set()
    for arm in study["arms"]:
        for seed, key in arm["keys"].items():
            folder = runs / key
            if key in seen or not (folder / RECORD).exists():
                continue
            seen.add(key)
            record = read_record(folder)
            rows = [{n: v for n, v in row.items() if math.isfinite(v)} for row in history_of(folder)]
            sizes = {n: float(record[n]) for n in ("parameters", "flops") if record.get(n) is not None}
            yield TrackedTrial(
                key=key, name=f"{arm['label']} seed {seed}", study=name, status=record["status"],
                settings=dict(_flat({"arm": arm["label"]} | record["configuration"])), curves=tuple(rows),
                metrics=sizes | dict(_evaluated(folder)), pictures=dict(_drawn(folder)) if pictures else {},
            )  # fmt: skip


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by their paths: ``method.loss.window``."""
    if isinstance(value, Mapping) and value:
        for part, inner in value.items():
            yield from _flat(inner, f"{name}.{part}" if name else str(part))
    else:
        yield name, value if isinstance(value, str | int | float) else json.dumps(value)


def _evaluated(folder: Path) -> Iterator[tuple[str, float]]:
    """The means of each evaluation: ``test/dice.mean``."""
    for path in sorted(folder.glob("eval/*/summary.json")):
        if not path.parent.name.startswith("."):
            numbers = {n: v for n, v in read_json(path).items() if n not in ("pictures", "dataset", "trained_on")}
            for name, value in _flat(numbers):
                if isinstance(value, int | float) and math.isfinite(value):
                    yield f"{path.parent.name}/{name}", float(value)


def _drawn(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Fixed, moving and warped slice of the pairs that an evaluation has drawn, side by side."""
    for path in sorted(folder.glob("eval/*/pictures.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            for rank in ("best", "median", "worst"):
                names = [f"{rank}_{part}" for part in DRAWN]
                if all(name in arrays for name in names):
                    file = io.BytesIO()
                    Image.fromarray(np.concatenate([arrays[name] for name in names], axis=1)).save(file, "PNG")
                    yield f"{path.parent.name}-{rank}.png", file.getvalue()


def write_tracked(runs: Path, name: str, out: Path, *, tracker: str, pictures: bool = False) -> int:
    """Write a study for a tracker; returns how many trials it has there.

    Raises:
        RecordError: the study or a record cannot be read.
        ValueError: the tracker's package is not installed.
    """
    if find_spec(tracker) is None:
        raise ValueError(f"--format {tracker} needs {TRACKERS[tracker]}: python -m pip install -e '.[{tracker}]'")
    trials = list(tracked_trials(runs, name, pictures=pictures))
    out.mkdir(parents=True, exist_ok=True)
    if tracker == "mlflow":
        _write_mlflow(trials, name, out)
    else:
        for trial in trials:
            _write_wandb(trial, out)
    return len(trials)


def _write_mlflow(trials: list[TrackedTrial], study: str, out: Path) -> None:
    """An experiment for the study, with a run for each trial: ``mlflow ui --backend-store-uri sqlite:///OUT/mlflow.db``.

    (MLflow has given up its other form offline, a folder of files.)
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{out.absolute() / 'mlflow.db'}")
    experiment, artifacts = client.get_experiment_by_name(study), (out.absolute() / "artifacts").as_uri()
    number = experiment.experiment_id if experiment else client.create_experiment(study, artifacts)
    for trial in trials:
        found = client.search_runs([number], filter_string=f"tags.key = '{trial.key}'")
        run = found[0] if found else client.create_run(number, run_name=trial.name, tags={"key": trial.key})
        _add_to_run(client, run, trial)


def _add_to_run(client: Any, run: Any, trial: TrackedTrial) -> None:
    """What an MLflow run lacks of its trial."""
    from mlflow.entities import Metric, Param

    identity, there = run.info.run_id, run.data
    now = int(time.time() * 1000)
    names = {name for row in trial.curves for name in row if name != "step"}
    last = {n: max((m.step for m in client.get_metric_history(identity, n)), default=-1) for n in names}
    points = [
        Metric(name, value, now, int(row["step"]))
        for row in trial.curves
        for name, value in row.items()
        if name != "step" and row["step"] > last[name]
    ]
    points += [Metric(n, value, now, 0) for n, value in trial.metrics.items() if there.metrics.get(n) != value]
    settings = [Param(n, str(value)) for n, value in trial.settings.items() if n not in there.params]
    for first in range(0, len(points), MOST_AT_ONCE):
        client.log_batch(identity, metrics=points[first : first + MOST_AT_ONCE])
    client.log_batch(identity, params=settings)
    logged = {file.path for file in client.list_artifacts(identity)}
    with tempfile.TemporaryDirectory() as folder:
        for name in trial.pictures.keys() - logged:
            (Path(folder) / name).write_bytes(trial.pictures[name])
            client.log_artifact(identity, str(Path(folder) / name))
    ended = ENDED_AS.get(trial.status)
    if run.info.status != (ended or "RUNNING"):
        client.set_terminated(identity, ended) if ended else client.update_run(identity, "RUNNING")


def _write_wandb(trial: TrackedTrial, out: Path) -> None:
    """An offline run for the trial, which ``wandb sync`` uploads; made anew if the trial has gone on since."""
    import wandb

    for folder in out.glob(f"wandb/offline-run-*-{trial.key}"):
        if (folder / DONE).exists() and read_json(folder / DONE)["content"] == trial.content:
            return
        shutil.rmtree(folder)
    # Nothing of this machine goes along: no statistics, no commands, no code.
    quiet = wandb.Settings(
        console="off", silent=True, disable_code=True, disable_git=True, x_disable_stats=True, x_disable_meta=True,
        x_disable_machine_info=True, x_save_requirements=False,
    )  # fmt: skip
    run = wandb.init(
        mode="offline", dir=out, id=trial.key, name=trial.name, project="fusemorph", group=trial.study,
        config=dict(trial.settings), settings=quiet,
    )  # fmt: skip
    for row in trial.curves:
        run.log({name: value for name, value in row.items() if name != "step"}, step=int(row["step"]))
    run.summary.update(dict(trial.metrics) | {"status": trial.status})
    last = int(trial.curves[-1]["step"]) if trial.curves else 0
    drawn = {name: wandb.Image(Image.open(io.BytesIO(content))) for name, content in trial.pictures.items()}
    if drawn:
        run.log(drawn, step=last)
    folder = Path(run.settings.sync_dir)
    run.finish()
    write_json(folder / DONE, {"key": trial.key, "content": trial.content})
