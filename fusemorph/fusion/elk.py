"""The ELK block: a fused feature passed through large asymmetric kernels, independent of the operator.

Source: Meng et al. 2025, "AutoFuse", section 3.2; kernels of Jia et al. 2022 (LKU-Net).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.networks.blocks import activate, convolution

LARGE = 5


class ElkBlock(nn.Module):
    """Parallel cubic and axis-wise convolutions to C / 2 channels each, a 1x1x1 mix, residual, LeakyReLU, norm."""

    def __init__(self, *, dims: int, channels: int) -> None:
        super().__init__()
        axis_wise = [tuple(LARGE if axis == along else 1 for axis in range(dims)) for along in range(dims)]
        kernels = [(3,) * dims, *axis_wise]
        self.branches = nn.ModuleList(convolution(dims, channels, channels // 2, kernel=kernel) for kernel in kernels)
        self.mix = convolution(dims, len(kernels) * (channels // 2), channels, kernel=1)

    def forward(self, feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        branches = torch.cat([branch(feature) for branch in self.branches], dim=1)
        return activate(feature + self.mix(branches))
