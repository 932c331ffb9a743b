"""Memory foretold from tensors without values, against what a process takes."""

import subprocess
import sys

import pytest

from baselines.identity import Identity
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.trials.memory import training_memory_bytes

BUDGET = Budget(steps=10, width=8, learning_rate=1e-4, precision="float32")
SIDE = 80
MEASURED = """
import resource, sys, torch
from fusemorph.trials.step import TrainingStep
from tests.trials.test_memory import BUDGET, method

torch.set_num_threads(1)
network = method(sys.argv[1]).network(3)
step = TrainingStep(network, method(sys.argv[1]).loss, BUDGET, label_ids=(), spacing_mm=(1.0,) * 3,
                    device=torch.device("cpu"))
def run(side):
    images = torch.rand(2, 1, 1, side, side, side).unbind()
    step((images[0], images[1]), None, seed=0, step=0)
run(32)  # libraries are loaded, Adam has its moments
with open("/proc/self/statm") as file:
    before = int(file.read().split()[1]) * resource.getpagesize()
run(int(sys.argv[2]))
kept = 4 * sum(parameter.nbytes for parameter in network.parameters())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before + kept)
"""


def method(plan: str) -> Fusion:
    return Fusion(plan=plan, channels=published_channels(8))


def test_memory_grows_with_the_image_and_shrinks_by_checkpointing() -> None:
    early = Fusion(plan="early", channels=(2, 4, 4, 8, 8))
    whole, double, saved = (
        training_memory_bytes(early, BUDGET, shape, checkpointing=checkpointing)
        for shape, checkpointing in (((64, 64), False), ((128, 128), False), ((128, 128), True))
    )
    assert 3.5 * whole < double < 4.5 * whole
    assert saved < 0.7 * double
    assert training_memory_bytes(Identity(), BUDGET, (64, 64)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("plan", ["ggggggg", "ggg/qqqq"])
def test_what_is_foretold_is_what_a_process_takes(plan: str) -> None:
    foretold = training_memory_bytes(method(plan), BUDGET, (SIDE, SIDE, SIDE))
    call = [sys.executable, "-c", MEASURED, plan, str(SIDE)]
    measured = int(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    assert measured == pytest.approx(foretold, rel=0.2)
