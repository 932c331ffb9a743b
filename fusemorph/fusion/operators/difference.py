"""``difference``: fuse by what the single-image features do not share, as in siamese change detection.

Source: the subtraction branch of Daudt et al. 2018 (FC-Siam-diff), arXiv 1810.08462, with the sign kept.
"""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.networks.blocks import ConvUnit
from fusemorph.networks.registration import GateWeights

SYMBOL = "d"
READS = ("fixed", "moving")


class Difference(nn.Module):
    """A convolution unit over fixed minus moving; half the channels of ``single`` enter it."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.unit = ConvUnit(dims, channels // 2, channels)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.fixed is not None
        assert features.moving is not None
        return self.unit(features.fixed - features.moving), None
