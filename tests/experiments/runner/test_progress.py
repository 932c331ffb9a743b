"""The time left that a running sweep tells."""

from pathlib import Path

import pytest

from experiments.runner.progress import Forecast, describe
from fusemorph.configuration import Trial
from fusemorph.trials.job import Job
from nas.jobs import Status


def test_nothing_is_foretold_before_training_has_a_pace() -> None:
    forecast = Forecast()
    assert forecast.left_s(1000.0, 0.0) is None
    assert forecast.left_s(999.0, 300.0) is None


def test_time_before_the_training_does_not_slow_it_down() -> None:
    """Ten minutes of classical methods, then a tenth of the training in a minute: nine minutes are left."""
    forecast = Forecast()
    for remaining, elapsed_s in ((1000.0, 0.0), (997.0, 600.0)):
        assert forecast.left_s(remaining, elapsed_s) is None
    assert forecast.left_s(897.3, 660.0) == pytest.approx(540)


def test_no_training_has_no_time_left() -> None:
    assert Forecast().left_s(0.0, 10.0) is None


def make_status(**parts: object) -> Status:
    return Status(**{"total": 3, "left": 2, "work": 1.0, "running": (), "given_up": {}} | parts)  # type: ignore[arg-type]


def test_who_waits_says_for_whom() -> None:
    trial = Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=0)
    job = Job(trial=trial, data=None, cache=Path(), splits=(), label="gates, seed 0")
    facts = {"host": "node7", "process": 12, "silent_s": 45.0, "step": 3, "of": 4, "loss": 0.5}
    silent = "gates, seed 0, held by node7, process 12, silent for 45 s and taken over after 120 s"
    assert describe(make_status(), 5.0) == "1/3 trials | starting | 0:05"
    assert describe(make_status(waiting=((job, facts),)), 5.0) == f"1/3 trials | waits for {silent} | 0:05"
    both = make_status(running=((job, facts),), waiting=((job, facts), (job, facts)))
    assert (
        describe(both, 5.0) == f"1/3 trials | gates, seed 0 step 3/4 loss 0.500; waits for {silent} and 1 more | 0:05"
    )
