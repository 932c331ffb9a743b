"""The same numbers on a CUDA device, within rounding; and steps that the host queues without waiting."""

from dataclasses import replace

import pytest
import torch

from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.trials.step import TrainingStep
from fusemorph.trials.training import train

pytestmark = pytest.mark.gpu
BUDGET = Budget(steps=10, width=4, learning_rate=1e-4, symmetric=True, validations=2, validation_pairs=2)


@pytest.mark.parametrize("plan", ["early", "late", "autofuse"])
def test_a_network_gives_the_same_on_both_devices(plan: str) -> None:
    torch.manual_seed(0)
    network = FusionNetwork(dims=3, plan=plan, channels=published_channels(4))
    torch.nn.init.normal_(network.head.mean.weight, std=0.05)
    fixed, moving = torch.rand(2, 1, 1, 40, 48, 32)
    on_cpu = network(fixed, moving).displacement
    on_gpu = network.cuda()(fixed.cuda(), moving.cuda()).displacement
    assert (on_gpu.cpu() - on_cpu).abs().max() < 0.02 * on_cpu.abs().max()


def step_on_gpu(method: Fusion, budget: Budget) -> TrainingStep:
    device = torch.device("cuda")
    network = method.network(3).to(device)
    return TrainingStep(network, method.loss, budget, label_ids=(1, 2), spacing_mm=(1.0, 1.0, 1.0), device=device)


@pytest.mark.parametrize("plan", ["ggggggg", "jsc/qqmq", "adesppg"])
def test_no_step_waits_for_the_device(plan: str) -> None:
    everything = TrainingLoss(diffusion_weight=1.0, bending_weight=1.0, dice_weight=1.0, inverse_consistency_weight=1.0)
    step = step_on_gpu(Fusion(plan=plan, channels=published_channels(4), loss=everything), BUDGET)
    images = torch.rand(2, 1, 1, 40, 48, 32, device="cuda").unbind()
    labels = torch.randint(0, 3, (2, 1, 1, 40, 48, 32), dtype=torch.int16, device="cuda").unbind()
    step((images[0], images[1]), (labels[0], labels[1]), seed=0, step=0)  # libraries are set up, which waits
    torch.cuda.set_sync_debug_mode("error")
    try:
        terms = step((images[0], images[1]), (labels[0], labels[1]), seed=0, step=1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(bool(torch.isfinite(term)) for term in terms.values())


def test_a_compiled_step_gives_the_same_numbers() -> None:
    method, numbers = Fusion(channels=published_channels(4)), []
    images = torch.rand(2, 1, 1, 40, 48, 32, generator=torch.Generator().manual_seed(0)).cuda().unbind()
    for compiler in ("none", "inductor"):
        torch.manual_seed(0)
        step = step_on_gpu(method, replace(BUDGET, compiler=compiler, precision="float32"))
        numbers.append(float(step((images[0], images[1]), None, seed=0, step=0)["similarity"]))
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-3)


def test_a_training_keeps_its_scans_on_the_device_and_ends_finite() -> None:
    dataset = open_dataset("virtual_brains", spacing_mm=8.0, train=4, val=4)
    trained = train(Fusion(channels=published_channels(2)), dataset, BUDGET, 0, device=torch.device("cuda"))
    assert trained.progress.step == BUDGET.steps
    assert all(torch.isfinite(weight).all() for weight in trained.network.parameters())
