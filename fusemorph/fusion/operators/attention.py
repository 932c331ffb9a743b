"""``attention``: cross-attention of each voxel of fixed to its neighbours in moving.

Source: Vaswani et al. 2017, with queries from one image and keys and values from the other, in a window as in Liu et
al. 2021 (Swin); in registration, Shi et al. 2022 (XMorpher) and Chen et al. 2023 (Deformable Cross-Attention).
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusemorph.fusion.operator import Features, GateSettings
from fusemorph.fusion.operators.correlation import RADIUS, shifted
from fusemorph.networks.blocks import ConvUnit, convolution
from fusemorph.networks.registration import GateWeights

SYMBOL = "a"
READS = ("fixed", "moving")


class Attention(nn.Module):
    """One head over the window of offsets up to one voxel along each axis, then a convolution unit over fixed and what
    was attended to."""

    def __init__(self, *, dims: int, channels: int, gate: GateSettings) -> None:
        super().__init__()
        half = channels // 2
        self.query, self.key, self.value = (convolution(dims, half, half, kernel=1) for _ in range(3))
        self.unit = ConvUnit(dims, channels, channels)

    def forward(self, features: Features, *, generator: torch.Generator | None) -> tuple[Tensor, GateWeights | None]:
        assert features.fixed is not None
        assert features.moving is not None
        query, key, value = self.query(features.fixed), self.key(features.moving), self.value(features.moving)
        attended = attend(query * query.shape[1] ** -0.5, key, value)
        return self.unit(torch.cat((features.fixed, attended.to(features.fixed.dtype)), dim=1)), None


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax of the products of query at x with key at x + offset, applied to value there; zeros outside count."""
    sides = query.shape[2:]
    keys, values = (F.pad(feature, (RADIUS,) * 2 * len(sides)) for feature in (key, value))
    offsets = list(product(range(2 * RADIUS + 1), repeat=len(sides)))
    scores = torch.stack([(query * shifted(keys, offset, sides)).sum(1) for offset in offsets], dim=1)
    weights = scores.softmax(dim=1)
    attended = torch.zeros_like(value)
    for index, offset in enumerate(offsets):
        attended = attended + weights[:, index : index + 1] * shifted(values, offset, sides)
    return attended
