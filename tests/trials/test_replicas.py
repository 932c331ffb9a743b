"""One training over two processes: the numbers of one process, whatever interrupts it, and one set of records."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fusemorph.configuration import BUDGETS, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import LearnedMethod, load_method
from fusemorph.storage import read_json
from fusemorph.trials import training
from fusemorph.trials.batches import Share
from fusemorph.trials.checkpoint import Row
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from fusemorph.trials.replicas import ReplicaDied
from fusemorph.trials.run import run_job

FUSION = Fusion(channels=(4, 8, 8, 16, 16))
PAPER = replace(BUDGETS["paper"], steps=3, width=2, batch_size=4, validations=1, validation_pairs=1)


class StopsAtOnce:
    """Stops the training at its first validation, as early stopping does."""

    study = "none"

    def __call__(self, runs: Path, history: Sequence[Row], /) -> str | None:
        return "a test" if len(history) == 1 else None


def make_job(cache: Path, method: LearnedMethod = FUSION, *, devices: int = 2, **budget_changes: Any) -> Job:
    dataset = open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=4, val=4)
    trial = Trial(
        method=method.configuration(), dataset=dataset.configuration(), seed=0,
        budget=asdict(replace(PAPER, **budget_changes)),
    )  # fmt: skip
    return Job(trial=trial, data=None, cache=cache, splits=("val",), devices=devices)


def weights(job: Job, runs: Path) -> dict[str, torch.Tensor]:
    assert run_job(job, runs) in ("finished", "pruned")
    return load_file(runs / job.trial.key / "weights.safetensors")


def lapirn() -> LearnedMethod:
    method = load_method({"name": "lapirn"})
    assert isinstance(method, LearnedMethod)
    return method


COARSE_TO_FINE = replace(FUSION, plan="ggg/qqqq", loss=TrainingLoss(dice_weight=1.0))
TWO = {"steps": 2, "batch_size": 2, "validations": 1}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        pytest.param(FUSION, {}, id="the paper's budget"),
        pytest.param(
            COARSE_TO_FINE, TWO | {"symmetric": True}, id="coarse to fine, labels, both ways", marks=pytest.mark.slow
        ),
        pytest.param(
            lapirn(), TWO | {"augmentation": "affine"}, id="level by level, augmented", marks=pytest.mark.slow
        ),
    ],
)
def test_two_processes_train_what_one_accumulates(
    brains_cache: Path, tmp_path: Path, method: LearnedMethod, changes: dict[str, Any]
) -> None:
    alone, shared = (make_job(brains_cache, method, devices=n, **changes) for n in (1, 2))
    assert alone.trial.key == shared.trial.key
    of_one, of_two = (weights(job, tmp_path / str(job.devices)) for job in (alone, shared))
    assert of_one.keys() == of_two.keys()
    for name, tensor in of_one.items():
        torch.testing.assert_close(of_two[name], tensor, rtol=0, atol=1e-6)
    files = [sorted(p.relative_to(at) for p in at.rglob("*") if p.is_file()) for at in (tmp_path / "1", tmp_path / "2")]
    assert files[0] == files[1]
    assert read_json(tmp_path / "2" / shared.trial.key / "measured.json")["devices"] == 2


@pytest.mark.slow
def test_a_training_that_is_stopped_and_gone_on_with_ends_bit_equal(brains_cache: Path, tmp_path: Path) -> None:
    job = make_job(brains_cache, batch_size=2, validations=2, steps=4)
    whole, interruption = weights(job, tmp_path / "whole"), Interruption()
    interruption.signal = signal.SIGTERM  # it has come while the training was being prepared
    with pytest.raises(SystemExit):
        run_job(job, tmp_path / "broken", interruption=interruption)
    assert run_job(replace(job, stop=StopsAtOnce()), tmp_path / "broken") == "pruned"
    broken = weights(job, tmp_path / "broken")
    assert all(torch.equal(tensor, broken[name]) for name, tensor in whole.items())
    assert read_json(tmp_path / "broken" / job.trial.key / "measured.json")["resumed_at"] == 2
    histories = [(tmp_path / run / job.trial.key / "history.csv").read_bytes() for run in ("whole", "broken")]
    assert histories[0] == histories[1]


def followers() -> list[int]:
    """The processes of this one that compute a part of a training."""
    children = [
        int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    return [pid for pid in children if b"fusemorph.trials.replicas" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
def test_a_killed_process_ends_the_attempt_and_not_the_trial(
    brains_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
    job = make_job(brains_cache, batch_size=2, steps=100_000)

    def kill() -> None:
        while not (tmp_path / job.trial.key / "checkpoint.safetensors").exists():
            time.sleep(0.1)
        os.kill(followers()[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(ReplicaDied, match="process 2 of 2 of the training died: killed by SIGKILL"):
        run_job(job, tmp_path)
    assert read_json(tmp_path / job.trial.key / "record.json")["status"] == "running"
    assert not followers()


@pytest.mark.slow
def test_the_reason_why_a_training_failed_is_that_of_one_process(brains_cache: Path, tmp_path: Path) -> None:
    diverging = replace(FUSION, loss=TrainingLoss(kl_weight=1e38, prior_lambda=1e38))
    job = make_job(brains_cache, diverging, batch_size=2)
    assert run_job(job, tmp_path) == "failed"
    assert "the loss is not finite at step 1" in read_json(tmp_path / job.trial.key / "record.json")["reason"]
    assert not followers()


def test_a_batch_has_equal_parts_or_none() -> None:
    assert [list(Share(rank=rank, size=2).of(4)) for rank in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="'batch_size' must be a multiple of 2, got 3"):
        Share(size=2).of(3)
