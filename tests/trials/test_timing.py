"""Cost measured: what is in the file, for methods of each kind."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from baselines.affine import Affine
from baselines.voxelmorph_1 import VoxelMorph1
from fusemorph.configuration import BUDGETS, Budget, Trial
from fusemorph.data import open_dataset
from fusemorph.method import Method
from fusemorph.records import TrialFolder


@pytest.mark.parametrize(
    ("method", "budget", "measured"),
    [
        (Affine(), None, {"latency_s", "peak_memory_mib"}),
        (
            VoxelMorph1(),
            BUDGETS["smoke"],
            {"latency_s", "peak_memory_mib", "train_step_s", "train_peak_memory_mib"},
        ),
    ],
    ids=["classical", "learned"],
)
def test_cost_of_a_trial(
    brains_cache: Path, tmp_path: Path, method: Method, budget: Budget | None, measured: set[str]
) -> None:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=2, val=2)
    described = dataset.configuration()
    trial = Trial(
        method=method.configuration(),
        dataset=described,
        budget=asdict(budget) if budget else None,
        seed=0,
    )
    folder = TrialFolder(tmp_path, trial)
    folder.begin({})
    call = [sys.executable, "-m", "fusemorph.trials.timing", str(folder.path), "--cache", str(brains_cache)]
    subprocess.run(call, check=True)
    cost = json.loads((folder.path / "cost.json").read_text())
    assert cost["load_average"] >= 0
    assert measured <= set(cost)
    assert all(cost[name] > 0 for name in measured if name.endswith("_s"))
    assert cost["shape"] == list(dataset.shape)
    assert ("train_step_s" in cost) == ("train_step_s" in measured)
