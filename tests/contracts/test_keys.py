"""Published records keep their keys: today's methods write the configurations that those hash."""

import json
from pathlib import Path

import pytest

from fusemorph.configuration import Trial
from fusemorph.fusion.method import Fusion
from fusemorph.method import load_method

RESULTS = Path(__file__).parents[2] / "experiments" / "results"


@pytest.mark.parametrize("study", sorted(path.name for path in RESULTS.iterdir()))
def test_the_key_of_a_published_trial_recomputes_to_the_name_of_its_folder(study: str) -> None:
    records = sorted((RESULTS / study).glob("*/record.json"))
    assert records
    for path in records:
        configuration = json.loads(path.read_text(encoding="utf-8"))["configuration"]
        parts = {name: configuration[name] for name in ("dataset", "budget", "seed")}
        method = load_method(configuration["method"]).configuration()
        assert Trial(method=method, **parts).key == path.parent.name


def test_a_setting_that_joined_later_is_written_where_it_says_something_new() -> None:
    assert "backbone" not in Fusion().configuration()
    transformer = Fusion(backbone="transformer").configuration()
    assert transformer["backbone"] == "transformer"
    assert load_method(transformer) == Fusion(backbone="transformer")
