"""What holds for the convolutional and the transformer networks alike."""

from collections.abc import Callable

import torch

from fusemorph.fusion.fusion_network import FusionNetwork


def assert_every_weight_learns(network: FusionNetwork) -> None:
    """Nothing dead is built: each parameter gets a gradient from some input."""
    torch.nn.init.normal_(network.head.mean.weight)
    fixed, moving = torch.rand(2, 1, 1, 32, 24, 24)
    registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
    (registration.displacement.square().sum() + registration.log_variance.sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def assert_half_precision_stays_near_full(network: FusionNetwork) -> None:
    """And the geometry stays in full precision."""
    torch.nn.init.normal_(network.head.mean.weight, std=0.05)
    fixed, moving = torch.rand(2, 1, 1, 32, 24, 24)
    full = network(fixed, moving).displacement
    with torch.autocast("cpu", torch.bfloat16):
        half = network(fixed, moving).displacement
    assert half.dtype == torch.float32
    assert (half - full).abs().mean() < 0.1 * full.abs().mean()


def assert_checkpointing_gives_the_same_gradients(build: Callable[..., FusionNetwork]) -> None:
    """Activations that are computed again; gates draw the same noise."""
    fixed, moving = torch.rand(2, 1, 1, 32, 24, 24)
    gradients = []
    for checkpointing in (False, True):
        network = build(checkpointing=checkpointing)
        registration = network(fixed, moving, generator=torch.Generator().manual_seed(0))
        registration.displacement.square().sum().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 0
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
