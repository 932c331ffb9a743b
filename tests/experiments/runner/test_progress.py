"""The time left that a running sweep tells."""

import pytest

from experiments.runner.progress import Forecast


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
