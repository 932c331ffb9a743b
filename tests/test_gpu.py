"""The same numbers on a CUDA device, within rounding."""

import pytest
import torch

from fusemorph.fusion.fusion_network import FusionNetwork, published_channels

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("plan", ["early", "late", "autofuse"])
def test_a_network_gives_the_same_on_both_devices(plan: str) -> None:
    torch.manual_seed(0)
    network = FusionNetwork(dims=3, plan=plan, channels=published_channels(4))
    torch.nn.init.normal_(network.head.mean.weight, std=0.05)
    fixed, moving = torch.rand(2, 1, 1, 40, 48, 32)
    on_cpu = network(fixed, moving).displacement
    on_gpu = network.cuda()(fixed.cuda(), moving.cuda()).displacement
    assert (on_gpu.cpu() - on_cpu).abs().max() < 0.02 * on_cpu.abs().max()


def test_half_precision_trains_on_the_device() -> None:
    network = FusionNetwork(dims=3, plan="autofuse", channels=published_channels(4)).cuda()
    fixed, moving = torch.rand(2, 1, 1, 40, 48, 32, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        registration = network(fixed, moving, generator=torch.Generator("cuda").manual_seed(0))
    registration.displacement.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
