"""Memory foretold from tensors without values, against what a process takes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.identity import Identity
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.trials.memory import training_memory_bytes

ROOT = Path(__file__).parents[2]
BUDGET = Budget(steps=10, width=16, learning_rate=1e-4)
SIDE = 48
MEASURED = """
import sys, torch
from fusemorph.trials.step import TrainingStep, set_checkpointing
from tests.trials.test_memory import BUDGET, method

def resident(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

torch.set_num_threads(1)
network = method(sys.argv[1]).network(3)
set_checkpointing(network, sys.argv[3] == "True")
step = TrainingStep(network, method(sys.argv[1]).loss, BUDGET, label_ids=(), spacing_mm=(1.0,) * 3,
                    device=torch.device("cpu"))
def run(side):
    images = torch.rand(2, 1, 1, side, side, side).unbind()
    step((images[0], images[1]), None, seed=0, step=0)
run(32)  # libraries are loaded, Adam has its moments
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak counts from here
before = resident("VmRSS")
run(int(sys.argv[2]))
kept = 4 * sum(parameter.nbytes for parameter in network.parameters())
print(resident("VmHWM") - before + kept)
"""


def method(plan: str) -> Fusion:
    return Fusion(plan=plan, channels=published_channels(16))


def test_memory_grows_with_the_image_and_shrinks_by_checkpointing() -> None:
    early = Fusion(plan="early", channels=(2, 4, 4, 8, 8))
    whole, double, saved = (
        training_memory_bytes(early, replace(BUDGET, precision="float32"), shape, checkpointing=checkpointing)
        for shape, checkpointing in (((64, 64), False), ((128, 128), False), ((128, 128), True))
    )
    assert 3.5 * whole < double < 4.5 * whole
    assert saved < 0.7 * double
    assert training_memory_bytes(Identity(), BUDGET, (64, 64)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("plan", ["ggggggg", "ggg/qqqq"])
def test_what_is_foretold_is_what_a_process_takes(plan: str, checkpointing: bool) -> None:
    """Where each tensor is given back as it is freed: glibc would keep small ones in a heap with holes."""
    foretold = training_memory_bytes(method(plan), BUDGET, (SIDE, SIDE, SIDE), checkpointing=checkpointing)
    call = [sys.executable, "-c", MEASURED, plan, str(SIDE), str(checkpointing)]
    surroundings = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(ROOT)}
    measured = int(subprocess.run(call, check=True, capture_output=True, text=True, env=surroundings).stdout)
    assert measured == pytest.approx(foretold, rel=0.2)
