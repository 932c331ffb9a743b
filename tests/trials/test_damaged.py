"""A run folder of which a file is empty or cut short: named, made again where that is possible, and nothing lost."""

import logging
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from fusemorph.configuration import Budget, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.records import TrialFolder
from fusemorph.storage import DamagedFile, RecordError
from fusemorph.trials.checkpoint import checkpoint_damage
from fusemorph.trials.job import Job
from fusemorph.trials.run import is_missing, run_job

BUDGET = Budget(steps=2, width=2, learning_rate=1e-3, validations=2, validation_pairs=2)
DETERMINED = ("record.json", "weights.safetensors", "history.csv", "eval/val/pairs.csv")


@pytest.fixture(scope="module")
def job(brains_cache: Path) -> Job:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=2, val=2, test=0)
    described = {"name": dataset.name, "fingerprint": dataset.fingerprint(), **dataset.settings}
    method = Fusion(plan="late", channels=(4, 8, 8, 16, 16)).configuration()
    trial = Trial(method=method, dataset=described, budget=asdict(BUDGET), seed=0)
    return Job(trial=trial, data=None, cache=brains_cache, splits=("val",))


def digests(folder: TrialFolder) -> dict[str, str]:
    return {name: sha256((folder.path / name).read_bytes()).hexdigest() for name in DETERMINED}


@pytest.fixture(scope="module")
def sound(job: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the trial leaves where nothing is damaged."""
    runs = tmp_path_factory.mktemp("sound")
    assert run_job(job, runs) == "finished"
    return digests(TrialFolder(runs, job.trial))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def test_a_trial_with_a_damaged_record_is_done_again(
    job: Job, sound: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = TrialFolder(tmp_path, job.trial)
    assert run_job(job, tmp_path) == "finished"
    empty(folder.path / "record.json")
    assert is_missing(job, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert run_job(job, tmp_path) == "finished"
    assert f"{folder.path / 'record.json'} " in caplog.text
    assert digests(folder) == sound
    assert len(list(folder.path.glob("damaged-*-record.json"))) == 1


def test_a_damaged_checkpoint_is_kept_aside_and_the_training_starts_again(
    job: Job, sound: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = TrialFolder(tmp_path, job.trial)
    stopping = replace(job, stop=Stop())
    assert run_job(stopping, tmp_path) == "pruned"
    assert checkpoint_damage(folder.checkpoint) is None
    cut(folder.checkpoint)
    assert checkpoint_damage(folder.checkpoint) is not None
    assert run_job(job, tmp_path) == "finished"
    assert f"{folder.checkpoint} cannot be read as a checkpoint" in caplog.text
    assert digests(folder) == sound
    assert len(list(folder.path.glob("damaged-*-checkpoint.safetensors"))) == 1


def test_a_stopped_trial_with_a_damaged_history_is_gone_on_with(
    job: Job, sound: dict[str, str], tmp_path: Path
) -> None:
    folder = TrialFolder(tmp_path, job.trial)
    assert run_job(replace(job, stop=Stop()), tmp_path) == "pruned"
    cut(folder.path / "history.csv")
    other = replace(job, stop=Stop(study="another", says=False))
    assert is_missing(other, tmp_path)
    assert run_job(other, tmp_path) == "finished"
    assert digests(folder) == sound


def test_damaged_weights_are_a_problem_of_their_trial(job: Job, tmp_path: Path) -> None:
    assert run_job(replace(job, splits=()), tmp_path) == "finished"
    folder = TrialFolder(tmp_path, job.trial)
    cut(folder.weights)
    record = (folder.path / "record.json").read_bytes()
    with pytest.raises(DamagedFile, match=r"weights\.safetensors cannot be read as weights"):
        run_job(job, tmp_path)
    assert (folder.path / "record.json").read_bytes() == record
    assert not list(folder.path.glob("claim-*"))


@pytest.mark.parametrize("error", [None, RecordError("has ended")])
def test_the_loser_of_a_takeover_neither_fails_the_trial_nor_ends_its_sweep(
    job: Job, sound: dict[str, str], tmp_path: Path, error: Exception | None
) -> None:
    """It was silent for too long, and wakes when another process has finished the trial and tidied up."""
    folder = TrialFolder(tmp_path, job.trial)

    class Asleep(Stop):
        def __call__(self, runs: Path, history: object) -> str | None:
            if folder.status() == "running":
                (claim,) = folder.path.glob("claim-*.json")
                claim.unlink()
                assert run_job(job, tmp_path) == "finished"
                if error is not None:
                    raise error
            return None

    assert run_job(replace(job, stop=Asleep()), tmp_path) is None
    assert digests(folder) == sound
    assert not list(folder.path.glob("claim-*"))


class Stop:
    """A rule that stops every trial at its first validation, if it ``says`` so."""

    def __init__(self, study: str = "stopping", says: bool = True) -> None:
        self.study, self._says = study, says

    def __call__(self, runs: Path, history: object) -> str | None:
        return "enough" if self._says else None
