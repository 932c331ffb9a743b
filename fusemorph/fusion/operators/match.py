"""``match``: one convolution over everything there is: joint, fixed, moving and their cost volume.

The control in which nothing is chosen. Source: the estimator of Sun et al. 2018 (PWC-Net), section 3, which reads cost
volume, features and the coarser level; in registration, Kang et al. 2022 (Dual-PRNet++).
"""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.correlation import cost_channels, cost_volume
from fusemorph.networks.blocks import ConvUnit
from fusemorph.networks.registration import GateWeights

SYMBOL = "m"
READS = ("joint", "fixed", "moving")


class Match(nn.Module):
    """A convolution unit over the joint feature, both single-image features and their cost volume."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.unit = ConvUnit(dims, 2 * channels + cost_channels(dims), channels)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        joint, fixed, moving = features
        assert joint is not None
        assert fixed is not None
        assert moving is not None
        read = torch.cat((joint, fixed, moving.to(fixed.dtype), cost_volume(fixed, moving).to(fixed.dtype)), dim=1)
        return self.unit(read), None
