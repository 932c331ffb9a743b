"""The inline driver: every trial once, whoever dies."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fusemorph.configuration import Budget, Trial
from fusemorph.data import DataError, open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.records import TrialFolder
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing, run_job
from nas.inline import run_inline
from nas.jobs import JobList

SETTINGS: dict[str, Any] = {"spacing_mm": 8.0, "train": 4, "val": 4}
BUDGET = Budget(steps=12, width=2, learning_rate=1e-3, validations=2, validation_pairs=2)
METHOD = Fusion(channels=(4, 8, 8, 16, 16))
TABLES = ("history.csv", "gates.csv", "eval/val/pairs.csv", "eval/val/labels.csv")
DETERMINED = ("record.json", "weights.safetensors", *TABLES)


def make_job(cache: Path, method: Fusion, *, steps: int = BUDGET.steps) -> Job:
    dataset = open_dataset("virtual_brains", cache=cache, **SETTINGS)
    described = dataset.configuration()
    budget = asdict(replace(BUDGET, steps=steps))
    trial = Trial(method=method.configuration(), dataset=described, budget=budget, seed=0)
    return Job(trial=trial, data=None, cache=cache, splits=("val",))


@pytest.fixture
def cache(brains_cache: Path) -> Path:
    return brains_cache


def digests(folder: Path) -> dict[str, str]:
    return {name: sha256((folder / name).read_bytes()).hexdigest() for name in DETERMINED if (folder / name).exists()}


def test_a_trial_that_fails_is_a_record_and_stops_no_other(cache: Path, tmp_path: Path) -> None:
    bad = make_job(cache, replace(METHOD, loss=TrainingLoss(kl_weight=1e38, prior_lambda=1e38)))
    good = make_job(cache, replace(METHOD, plan="late"))
    *_, last = run_inline(JobList([bad, good], tmp_path), tmp_path, workers=1)
    assert last.left == 0
    record = json.loads((tmp_path / bad.trial.key / "record.json").read_text())
    assert record["status"] == "failed"
    assert "not finite at step 1" in record["reason"]
    assert TrialFolder(tmp_path, good.trial).status() == "finished"
    assert not is_missing(bad, tmp_path)


def test_an_evaluation_that_fails_is_given_up_with_its_reason(cache: Path, tmp_path: Path) -> None:
    job = make_job(cache, replace(METHOD, plan="late"))
    run_job(job, tmp_path)
    weights = TrialFolder(tmp_path, job.trial).weights
    weights.write_bytes(weights.read_bytes()[:1000])
    *_, last = run_inline(JobList([replace(job, splits=("val", "test"))], tmp_path), tmp_path, workers=1)
    assert "weights.safetensors cannot be read as weights" in last.given_up[job.trial.key]
    assert TrialFolder(tmp_path, job.trial).status() == "finished"


def test_data_that_changed_since_the_plan_are_refused(cache: Path, tmp_path: Path) -> None:
    job = make_job(cache, METHOD)
    other = replace(job, trial=replace(job.trial, dataset=job.trial.dataset | {"fingerprint": "of other files"}))
    with pytest.raises(DataError, match="have changed"):
        run_job(other, tmp_path)
    assert TrialFolder(tmp_path, other.trial).status() is None


def test_two_workers_share_the_trials_and_agree_with_one(cache: Path, tmp_path: Path) -> None:
    jobs = [make_job(cache, replace(METHOD, plan=plan)) for plan in ("early", "late")]
    for number in (1, 2):
        drain(run_inline(JobList(jobs, tmp_path / str(number)), tmp_path / str(number), workers=number))
    for job in jobs:
        assert digests(tmp_path / "1" / job.trial.key) == digests(tmp_path / "2" / job.trial.key)


def test_what_is_there_is_not_touched_when_a_split_is_added(cache: Path, tmp_path: Path) -> None:
    job = make_job(cache, replace(METHOD, plan="late"))
    run_job(job, tmp_path)
    folder = tmp_path / job.trial.key
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    run_job(replace(job, splits=("val", "test")), tmp_path)
    assert (folder / "eval" / "test" / "summary.json").exists()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_signals_to_the_whole_process_group_leave_the_fork_server_alive(cache: Path, tmp_path: Path) -> None:
    """A worker would otherwise look dead while it still saves its training step."""
    job, server = make_job(cache, replace(METHOD, plan="late")), 0
    for status in run_inline(JobList([job], tmp_path), tmp_path, workers=1):
        for _, facts in status.running:
            server = int(Path(f"/proc/{facts['process']}/stat").read_text().rpartition(")")[2].split()[1])
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
                os.kill(server, number)
    assert server not in (0, os.getpid())
    assert Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    assert (status.left, status.given_up) == (0, {})


def drain(statuses: Iterator[object]) -> None:
    for _ in statuses:
        pass
