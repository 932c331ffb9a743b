"""Scores in the run folder: each a file, whole or not there, that is never made twice."""

import json
import math
from pathlib import Path

import pytest

from fusemorph.storage import RecordError
from nas.estimates import Estimates, ranking_value

METHOD = {"name": "fusion", "plan": "jjjjjjj"}


def estimates(runs: Path, **settings: object) -> Estimates:
    return Estimates(runs, "nwot", {"pairs": 8} | settings)


def test_a_score_is_measured_once(tmp_path: Path) -> None:
    calls = []

    def measure() -> float:
        calls.append(1)
        return 0.1 + 0.2

    taken, again = estimates(tmp_path).take(METHOD, measure), estimates(tmp_path).take(METHOD, measure)
    assert calls == [1]
    assert taken == again == estimates(tmp_path).score(METHOD)
    assert (taken.plan, taken.value) == ("jjjjjjj", 0.1 + 0.2)
    assert taken.seconds >= 0
    other = {"name": "fusion", "plan": "sssssss"}
    assert estimates(tmp_path).score(other) is None
    assert estimates(tmp_path).missing([METHOD, other]) == 1
    assert estimates(tmp_path, pairs=4).score(METHOD) is None
    written = json.loads((estimates(tmp_path).path / "estimator.json").read_text())
    assert written["configuration"] == {"numerics": 1, "estimator": "nwot", "pairs": 8}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_recorded_as_such_and_ranks_last(tmp_path: Path, value: float) -> None:
    taken = estimates(tmp_path).take(METHOD, lambda: value)
    read = estimates(tmp_path).score(METHOD)
    assert read is not None
    assert str(read.value) == str(taken.value) == str(value)
    assert ranking_value(read.value) == -math.inf < ranking_value(-1e300)


def test_a_failed_measurement_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> float:
        raise MemoryError

    with pytest.raises(MemoryError):
        estimates(tmp_path).take(METHOD, fails)
    assert estimates(tmp_path).score(METHOD) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"format": 1, "method": {"name": "fusion", "plan": "jjjjjjj"}, "score": "many", "seconds": 1}',
            "'score' and",
        ),
        ('{"format": 1, "method": {"name": "fusion", "plan": "jjjjjjj"}, "score": true, "seconds": 1}', "'score' and"),
        ('{"format": 1, "method": {"name": "fusion", "plan": "sssssss"}, "score": 1, "seconds": 1}', "another method"),
        ('{"format": 9, "method": {"name": "fusion", "plan": "jjjjjjj"}, "score": 1, "seconds": 1}', "another method"),
        ('{"format": 1, "met', "json"),
    ],
)
def test_a_damaged_score_is_named_by_its_file(tmp_path: Path, content: str, message: str) -> None:
    estimates(tmp_path).take(METHOD, lambda: 1.0)
    (file,) = (path for path in estimates(tmp_path).path.iterdir() if path.name != "estimator.json")
    file.write_text(content)
    with pytest.raises(RecordError, match=message) as error:
        estimates(tmp_path).score(METHOD)
    assert file.name in str(error.value)
