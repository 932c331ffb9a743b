"""``sum``: add the fused single-image feature to the joint one; a gate without weights, its control."""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.single import Single
from fusemorph.networks.registration import GateWeights

SYMBOL = "p"
READS = ("joint", "fixed", "moving")


class Sum(nn.Module):
    """joint + single."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.single = Single(dims=dims, channels=channels, gate=gate)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        single, _ = self.single(features, generator=generator)
        return features.joint + single, None
