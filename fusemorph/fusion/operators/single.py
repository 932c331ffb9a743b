"""``single``: fuse the two single-image features here, whatever the joint path holds; step 1 of a Fusion Gate."""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.networks.blocks import ConvUnit
from fusemorph.networks.registration import GateWeights

SYMBOL = "s"
READS = ("fixed", "moving")


class Single(nn.Module):
    """A convolution unit over the concatenated features of fixed and moving."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.unit = ConvUnit(dims, channels, channels)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.fixed is not None
        assert features.moving is not None
        return self.unit(torch.cat((features.fixed, features.moving), dim=1)), None
