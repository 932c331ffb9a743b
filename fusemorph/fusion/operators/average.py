"""``average``: the mean of joint, single and correlation feature; the mixture without weights, its control."""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.correlation import Correlation
from fusemorph.fusion.operators.single import Single
from fusemorph.networks.registration import GateWeights

SYMBOL = "e"
READS = ("joint", "fixed", "moving")


class Average(nn.Module):
    """(joint + single + correlation) / 3."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        self.single = Single(dims=dims, channels=channels, gate=gate)
        self.correlation = Correlation(dims=dims, channels=channels, gate=gate)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        single, _ = self.single(features, generator=generator)
        correlation, _ = self.correlation(features, generator=generator)
        return (features.joint + single + correlation) / 3, None
