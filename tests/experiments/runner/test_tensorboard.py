"""Scalars for TensorBoard, read back from its event files."""

import struct
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event

from experiments.runner.tensorboard import log_scalars
from fusemorph.configuration import BUDGETS, Trial
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from nas.jobs import Status

ROWS: list[dict[str, Any]] = [
    {"step": 3, "loss": 0.5, "val_dice": 0.61},
    {"step": 6, "loss": None, "val_dice": 0.62},
    {"step": 9, "loss": 0.25, "val_dice": 0.63},
]


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """All scalars of a folder; a record is its length, a checksum, the event, and another checksum."""
    found = []
    for path in sorted(folder.glob("events.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            content = content[16 + length :]
    return sorted(found)


def test_each_validation_of_a_running_trial_is_written_once_and_nan_never(tmp_path: Path) -> None:
    trial = Trial(method={"name": "none"}, dataset={"name": "none"}, budget=asdict(BUDGETS["smoke"]), seed=0)
    job, folder = Job(trial=trial, data=None, cache=None, splits=()), TrialFolder(tmp_path / "runs", trial)
    folder.begin({})
    running = Status(total=1, left=1, work=1.0, running=((job, {}),), given_up={})
    ended = Status(total=1, left=0, work=0.0, running=(), given_up={})

    def statuses() -> Iterator[Status]:
        yield running  # before the first validation
        for count in (1, 1, 2):
            folder.write_curves(ROWS[:count], ())
            yield running
        folder.write_curves(ROWS, ())
        yield ended

    passed_on = list(log_scalars(statuses(), tmp_path / "runs", tmp_path / "scalars"))
    assert passed_on == [running] * 4 + [ended]
    assert [path.name for path in (tmp_path / "scalars").iterdir()] == [trial.key]
    expected = [(name, row["step"], row[name]) for row in ROWS for name in ("loss", "val_dice") if row[name]]
    close: list[tuple[str, int, Any]] = [(name, step, pytest.approx(value)) for name, step, value in sorted(expected)]
    assert scalars(tmp_path / "scalars" / trial.key) == close
