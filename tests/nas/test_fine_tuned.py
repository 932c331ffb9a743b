"""A supernet as a trial, and plans that are trained on from what it has learned."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fusemorph.configuration import Budget, Trial, written_settings
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.method import load_method
from fusemorph.records import history_of, read_record
from fusemorph.storage import RecordError
from fusemorph.trials.job import Job
from fusemorph.trials.load import load_trial
from fusemorph.trials.run import run_job
from nas.fine_tuned import FineTuned
from nas.supernet import Supernet

BUDGET = Budget(steps=2, width=2, learning_rate=1e-3, validations=1, validation_pairs=1, symmetric=True)
SUPERNET = Supernet(of=Fusion(channels=(4, 8, 8, 16, 16)), operators="sg")
TUNED = FineTuned(of=SUPERNET, plan="ssssggg", supernet_budget=BUDGET, supernet_seed=3)


@pytest.fixture
def job(brains_cache: Path) -> Job:
    """The trial of the supernet; others differ in method and seed."""
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)
    method, budget = SUPERNET.configuration(), written_settings(BUDGET)
    trial = Trial(method=method, dataset=dataset.configuration(), budget=budget, seed=3)
    return Job(trial=trial, data=None, cache=brains_cache, splits=())


def of(job: Job, method: FineTuned, *, seed: int = 0, **changes: float) -> Job:
    budget = written_settings(replace(BUDGET, **changes))  # type: ignore[arg-type]
    return replace(job, trial=replace(job.trial, method=method.configuration(), budget=budget, seed=seed))


def test_a_plan_begins_with_the_shared_weights_of_its_supernet(job: Job, tmp_path: Path) -> None:
    still = of(job, TUNED, steps=1, learning_rate=1e-30)
    with pytest.raises(RecordError, match="must hold the finished supernet that training begins with"):
        run_job(still, tmp_path)
    assert run_job(job, tmp_path) == "finished"
    assert read_record(tmp_path / job.trial.key)["plan"] == "ggggggg"
    _, supernet, _ = load_trial(tmp_path / job.trial.key)
    assert run_job(still, tmp_path) == "finished"
    assert supernet is not None
    weights = load_file(tmp_path / still.trial.key / "weights.safetensors")
    cut = supernet.cut("ssssggg").state_dict()  # type: ignore[operator]
    assert weights.keys() == cut.keys()
    assert all(torch.allclose(weights[name], cut[name], rtol=0, atol=1e-20) for name in cut)
    assert history_of(tmp_path / still.trial.key)
    again = of(job, replace(TUNED, supernet_seed=4))
    with pytest.raises(RecordError, match="must hold the finished supernet"):
        run_job(again, tmp_path)


def test_a_configuration_names_the_supernet_and_how_it_was_trained() -> None:
    configuration = TUNED.configuration()
    assert load_method(configuration) == TUNED
    assert configuration["of"]["name"] == "supernet"
    assert configuration["supernet_seed"] == 3
    assert TUNED.begins_with == {"method": SUPERNET.configuration(), "budget": written_settings(BUDGET), "seed": 3}
    with pytest.raises(ValueError, match=r"FineTuned\(\): 'plan' must be one of the supernet's, got 'jjjjjjj'"):
        replace(TUNED, plan="early")
