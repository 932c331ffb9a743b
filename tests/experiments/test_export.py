"""What is copied out of a run folder, and a study that goes on from the copy on another machine."""

from pathlib import Path

import pytest

from experiments.export import main as export
from experiments.sweep import main
from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder, read_record
from fusemorph.storage import read_json
from fusemorph.trials.checkpoint import checkpoint_step
from fusemorph.trials.interruption import Interruption
from fusemorph.trials.job import Job
from fusemorph.trials.run import run_job

NAME = "quickstart-virtual_brains-smoke"
SMALL = ["quickstart", "--budget", "smoke", "--set", "spacing_mm=8.0", "--set", "train=2", "--set", "val=2",
         "--set", "test=2", "--arm", "C2F correlation"]  # fmt: skip


def test_unfinished_trials_go_on_elsewhere_and_end_the_same(
    tmp_path: Path, brains_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, begun, taken = (tmp_path / name for name in ("whole", "begun", "taken"))
    line = [*SMALL, "--cache", str(brains_cache), "--runs"]
    assert main([*line, str(whole)]) == 0
    study = whole / "studies" / f"{NAME}.json"
    key = next(arm["keys"]["0"] for arm in read_json(study)["arms"] if arm["label"] == "C2F correlation")
    configuration = read_record(whole / key)["configuration"]
    trial = Trial(**{name: configuration[name] for name in ("method", "dataset", "budget", "seed")})
    (begun / "studies").mkdir(parents=True)
    (begun / "studies" / study.name).write_bytes(study.read_bytes())
    asked_to_stop = Interruption()
    asked_to_stop.signal = 15
    with pytest.raises(SystemExit):
        run_job(Job(trial=trial, data=None, cache=brains_cache, splits=("test",)), begun, interruption=asked_to_stop)
    assert checkpoint_step(TrialFolder(begun, trial).checkpoint) == 1

    assert export([str(begun), NAME, str(tmp_path / "numbers")]) == 0
    assert not (tmp_path / "numbers" / key).exists()
    for _ in range(2):
        assert export([str(begun), NAME, str(taken), "--checkpoints"]) == 0
    assert main([*line, str(taken)]) == 0
    for name in ("weights.safetensors", "history.csv", "eval/test/pairs.csv"):
        assert (taken / key / name).read_bytes() == (whole / key / name).read_bytes()
    capsys.readouterr()
    assert export([str(begun), NAME, str(taken), "--checkpoints"]) == 2
    assert f"{taken / key} has ended" in capsys.readouterr().err
