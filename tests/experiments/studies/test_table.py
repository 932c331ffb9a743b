"""The study ``table``: every plan of a space, seeds and data sets together, so that what time cuts off are plans."""

import json
from pathlib import Path

import pytest

from experiments.runner.command_line import parse
from experiments.runner.run import begin, in_order
from experiments.runner.sweep_plan import Sweep, make_sweeps
from experiments.study import Study, find_study
from experiments.sweep import main
from fusemorph.storage import RecordError
from nas.spaces import SPACES

SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4", "--budget", "smoke"]
PLANS = ("identity", "ggg/qqqq", "---/ssss")
CHOSEN = ["--dataset", "virtual_brains", *(f"--arm={label}" for label in PLANS)]


def sweeps_of(*arguments: str, runs: Path, cache: Path) -> list[Sweep]:
    options = parse(["table", *SMALL, "--runs", str(runs), "--cache", str(cache), *arguments])
    study = find_study("table")
    assert options is not None
    assert isinstance(study, Study)
    return make_sweeps(study, options)


def test_it_lists_every_plan_of_the_space_with_all_seeds_of_a_plan_together(tmp_path: Path, brains_cache: Path) -> None:
    (sweep,) = sweeps_of("--dataset", "virtual_brains", "--seeds", "3", runs=tmp_path / "runs", cache=brains_cache)
    assert {arm.label for arm in sweep.arms} == {
        "identity",
        *SPACES["tiny"](sweep.arms[1].method.configuration()).plans(),
    }
    assert len(sweep.trials) == 1 + 3 * 181
    in_threes = [sweep.trials[i : i + 3] for i in range(1, len(sweep.trials), 3)]
    assert all(len({arm.label for arm, _ in three}) == 1 for three in in_threes)
    assert sweep.name == "table-tiny-virtual_brains-smoke"
    assert sweep.evaluation == "val"
    twice = in_order([sweep, sweep])
    assert [job.trial.key for job in twice[::2]] == [job.trial.key for job in twice[1::2]]


def test_a_name_is_not_taken_by_the_plans_of_another_space(tmp_path: Path, brains_cache: Path) -> None:
    name = ["--name", "mine", "--dataset", "virtual_brains"]
    begin(sweeps_of(*name, runs=tmp_path / "runs", cache=brains_cache)[0])
    entry = json.loads((tmp_path / "runs" / "studies" / "mine.json").read_text())
    assert entry["space"] == {"name": "tiny", "operators": "jsg/jscmq", "tied": [[2, 3], [4, 5], [6, 7]]}
    with pytest.raises(RecordError, match="defines another study of the name 'mine'"):
        begin(sweeps_of(*name, "--space", "placement", runs=tmp_path / "runs", cache=brains_cache)[0])


def test_it_trains_the_plans_asked_for_and_prices_what_is_left(
    tmp_path: Path, brains_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["table", *SMALL, *CHOSEN, "--runs", str(tmp_path / "runs"), "--cache", str(brains_cache)]
    assert main([*line, "--dry-run", "--price", "2"]) == 0
    assert "5 to do" in (shown := capsys.readouterr().out)
    assert "validated after 2, 4" in shown
    assert "at 2 an hour" in shown
    assert main(line) == 0
    assert main([*line, "--dry-run"]) == 0
    assert "5 finished" in (shown := capsys.readouterr().out)
    assert "left: about 0.0 core-hours" in shown


def test_only_a_study_of_a_space_takes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", *SMALL, "--space", "tiny", "--runs", str(tmp_path / "runs")]) == 2
    assert "--space: the arms of this study are not the plans of a space, got tiny" in capsys.readouterr().err
