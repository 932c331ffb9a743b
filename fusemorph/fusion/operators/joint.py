"""``joint``: keep the feature that the joint path computed; early fusion everywhere."""

import torch
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.networks.registration import GateWeights

SYMBOL = "j"
READS = ("joint",)


class Joint(nn.Module):
    """Pass the joint feature on; without parameters."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.joint is not None
        return features.joint, None
