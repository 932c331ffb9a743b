"""Building blocks shared by the networks, for 2-D and 3-D features."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NEGATIVE_SLOPE = 0.2
_CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


def convolution(dims: int, inputs: int, outputs: int, *, kernel: int | tuple[int, ...] = 3) -> nn.Conv2d | nn.Conv3d:
    """Convolution that keeps the shape; ``kernel`` has odd sides."""
    sides = (kernel,) * dims if isinstance(kernel, int) else kernel
    return _CONVOLUTION[dims](inputs, outputs, sides, padding=tuple(side // 2 for side in sides))  # type: ignore[arg-type]


def activate(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
    """LeakyReLU, then instance norm without affine parameters: in this order in AutoFuse."""
    return F.instance_norm(F.leaky_relu(feature, NEGATIVE_SLOPE))


class ConvUnit(nn.Module):
    """One 3x3x3 convolution, LeakyReLU, instance norm."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = convolution(dims, inputs, outputs)

    def forward(self, feature: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
        return activate(self.convolution(feature))


class ConvBlock(nn.Module):
    """Two convolution units: what a U-Net stage does to its input."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = ConvUnit(dims, inputs, outputs)
        self.second = ConvUnit(dims, outputs, outputs)

    def forward(self, feature: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
        return self.second(self.first(feature))  # type: ignore[no-any-return]


def downsample(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *t"]:
    """Average over cells of two voxels a side."""
    pooled: Tensor = _Halve.apply(feature)  # type: ignore[no-untyped-call]
    return pooled


class _Halve(torch.autograd.Function):
    """Average pooling by 2 whose gradient stays in the feature's own precision, where torch's would be float32."""

    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        pool = F.avg_pool3d if feature.dim() == 5 else F.avg_pool2d
        return pool(feature.float(), 2).to(feature.dtype)  # torch has no 3-D pooling in bfloat16 on a CPU

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        batch, channels, *sides = gradient.shape
        share = gradient * 0.5 ** len(sides)
        cells = share.reshape(batch, channels, *(n for side in sides for n in (side, 1)))
        spread = cells.expand(batch, channels, *(n for side in sides for n in (side, 2)))
        return spread.reshape(batch, channels, *(2 * side for side in sides))


def upsample(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *t"]:
    """Linear interpolation to twice the side, corners aligned.

    A product with a small interpolation matrix along each axis: forward and backward take an eighth of the time of
    ``F.interpolate`` on a CPU, whose backward pass is not vectorised.
    """
    matrices = [_doubling_matrix(side, feature) for side in feature.shape[2:]]
    feature = torch.matmul(feature, matrices[-1].T)
    for axis in range(feature.dim() - 2, 1, -1):
        rows = torch.matmul(matrices[axis - 2], feature.flatten(axis + 1))
        feature = rows.reshape(*feature.shape[:axis], -1, *feature.shape[axis + 1 :])
    return feature


def _doubling_matrix(side: int, like: Tensor) -> Float[Tensor, "m n"]:
    """Rows of linear interpolation weights that map ``side`` samples to twice as many."""
    position = torch.linspace(0, side - 1, 2 * side, device=like.device)
    distance = (position[:, None] - torch.arange(side, device=like.device)).abs()
    return (1 - distance).clamp(min=0).to(like.dtype)
