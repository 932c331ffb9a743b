"""``correlation``: fuse by a local cost volume, how well each voxel of fixed matches its neighbours in moving.

Source: the correlation layer of Dosovitskiy et al. 2015 (FlowNet), eq. 1, with patches of one voxel; in registration,
Kang et al. 2022 (Dual-PRNet++).
"""

from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.networks.blocks import ConvUnit
from fusemorph.networks.registration import GateWeights

SYMBOL = "c"
READS = ("fixed", "moving")
RADIUS = 1


class Correlation(nn.Module):
    """A convolution unit over the cost volume of offsets up to one voxel along each axis."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.unit = ConvUnit(dims, cost_channels(dims), channels)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.fixed is not None
        assert features.moving is not None
        return self.unit(cost_volume(features.fixed, features.moving)), None


def cost_channels(dims: int) -> int:
    """Number of offsets in a cost volume."""
    return int((2 * RADIUS + 1) ** dims)


def cost_volume(fixed: Float[Tensor, "b c *s"], moving: Float[Tensor, "b c *s"]) -> Float[Tensor, "b n *s"]:
    """Mean product over channels of fixed at x with moving at x + offset; moving is zero outside."""
    sides = fixed.shape[2:]
    padded = F.pad(moving, (RADIUS,) * 2 * len(sides))
    offsets = product(range(2 * RADIUS + 1), repeat=len(sides))
    return torch.stack([(fixed * shifted(padded, offset, sides)).mean(1) for offset in offsets], dim=1)


def shifted(padded: Tensor, offset: tuple[int, ...], sides: torch.Size) -> Tensor:
    """The part of a padded feature that begins at the offset and has these sides."""
    window = (slice(start, start + side) for start, side in zip(offset, sides, strict=True))
    return padded[(slice(None), slice(None), *window)]
