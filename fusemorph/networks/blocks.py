"""Building blocks shared by the networks, for 2-D and 3-D features."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NEGATIVE_SLOPE = 0.2


class Convolution3d(nn.Conv3d):
    """A convolution that works around two properties of torch 2.13 on CPUs; values are the same but for rounding.

    Where the first axis is shorter than the kernel it is padded by hand: there oneDNN, in bfloat16 on CPUs without AMX,
    leaves gradients of the weights unwritten: they hold whatever lay in memory. Float32 images that torch would take
    its slow path for (see ``takes_slow_path``) are computed as a matrix product, in two dimensions or as two halves.
    """

    def forward(self, input: Float[Tensor, "b _ i j k"]) -> Float[Tensor, "b _ *s"]:
        margin = self.padding[0]
        if isinstance(margin, int) and self.stride == (1, 1, 1) and takes_slow_path(input, self.kernel_size):
            if self.kernel_size[1:] == (1, 1):
                alone = self.kernel_size[0] == 1
                return _as_product(input, self.weight, self.bias) if alone else self._in_two_dimensions(input)
            return self._in_halves(input, margin)
        if input.shape[2] >= self.kernel_size[0] or not isinstance(margin, int):
            return super().forward(input)
        padded = F.pad(input, (0, 0, 0, 0, margin, margin)).contiguous(memory_format=torch.channels_last_3d)
        return self._convolve(padded)

    def _in_two_dimensions(self, input: Tensor) -> Tensor:
        """A kernel along the first axis alone reads nothing across the others: they are one axis to it."""
        margins = (self.padding[0], 0)
        rows = F.conv2d(input.flatten(3), self.weight.flatten(3), self.bias, padding=margins)  # type: ignore[arg-type]
        return rows.reshape(*rows.shape[:3], *input.shape[3:])

    def _in_halves(self, input: Tensor, margin: int) -> Tensor:
        """Both halves of the first axis, each with the margin that the kernel reads, as a batch of two."""
        side = input.shape[2]
        half = -(-side // 2)
        padded = F.pad(input, (0, 0, 0, 0, margin, margin))
        halves = [padded[:, :, start : start + half + 2 * margin] for start in (0, side - half)]
        batch = torch.cat(halves).contiguous(memory_format=torch.channels_last_3d)
        first, second = self._convolve(batch).chunk(2)
        return torch.cat((first, second[:, :, 2 * half - side :]), dim=2)

    def _convolve(self, padded: Tensor) -> Tensor:
        """The convolution of an input whose first axis is padded already."""
        inside = (0, *self.padding[1:])
        return F.conv3d(padded, self.weight, self.bias, self.stride, inside, self.dilation, self.groups)


def pointwise(
    feature: Float[Tensor, "b c *s"], weight: Float[Tensor, "n c *_"], bias: Float[Tensor, " n"] | None
) -> Float[Tensor, "b n *s"]:
    """A convolution with a kernel of one voxel."""
    if weight.dim() == 4:
        return F.conv2d(feature, weight, bias)
    return (
        _as_product(feature, weight, bias) if takes_slow_path(feature, (1, 1, 1)) else F.conv3d(feature, weight, bias)
    )


def _as_product(feature: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(feature.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)


LARGEST_SLOW = 20_480
LARGE_BATCH = 16


def takes_slow_path(input: Float[Tensor, "b _ i j k"], kernel: tuple[int, ...]) -> bool:
    """Whether torch would compute this convolution without oneDNN, 2 to 9 times slower.

    It does so for float32 images on a CPU that come alone, where channels x first side x second side is at most 20,480
    and the kernel's last sides at most 3; on one thread, for kernels of one voxel along the last two axes, at any size
    and in any batch of less than 16. Compiled graphs are left as they are.
    """
    if torch.compiler.is_compiling():
        return False
    half = torch.is_autocast_enabled("cpu") or input.dtype != torch.float32
    if input.device.type != "cpu" or half or input.shape[2] < 2:
        return False
    if kernel[1:] == (1, 1) and torch.get_num_threads() == 1:
        return len(input) < LARGE_BATCH
    return len(input) == 1 and input[0, :, :, :, 0].numel() <= LARGEST_SLOW and min(kernel[1:]) <= 3


_CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: Convolution3d}
_TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}  # convolutions on a CPU need no copies in it


def convolution(
    dims: int, inputs: int, outputs: int, *, kernel: int | tuple[int, ...] = 3, stride: int = 1, bias: bool = True
) -> nn.Conv2d | nn.Conv3d:
    """Convolution that keeps the shape, or divides it by ``stride``; ``kernel`` has odd sides.

    Its outputs have channels last in memory.
    """
    sides = (kernel,) * dims if isinstance(kernel, int) else kernel
    layer = _CONVOLUTION[dims](inputs, outputs, sides, stride, tuple(side // 2 for side in sides), bias=bias)  # type: ignore[arg-type]
    return layer.to(memory_format=_CHANNELS_LAST[dims])  # type: ignore[call-overload, no-any-return]


def channels_last(images: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
    """The same values in the layout that convolutions here read and write."""
    return images.contiguous(memory_format=_CHANNELS_LAST[images.dim() - 2])


def doubling_convolution(
    dims: int, inputs: int, outputs: int, *, bias: bool = True
) -> nn.ConvTranspose2d | nn.ConvTranspose3d:
    """Transposed convolution that doubles the sides, each voxel becoming a cell of two a side."""
    layer = _TRANSPOSED[dims](inputs, outputs, 2, 2, bias=bias)
    return layer.to(memory_format=_CHANNELS_LAST[dims])  # type: ignore[call-overload, no-any-return]


def patch_convolution(dims: int, inputs: int, outputs: int, *, side: int) -> nn.Conv2d | nn.Conv3d:
    """Convolution that makes one voxel of each patch of ``side`` voxels a side."""
    layer = _CONVOLUTION[dims](inputs, outputs, side, side)
    return layer.to(memory_format=_CHANNELS_LAST[dims])  # type: ignore[call-overload, no-any-return]


def activate(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
    """LeakyReLU, then instance norm without affine parameters: in this order in AutoFuse."""
    return instance_norm(F.leaky_relu(feature, NEGATIVE_SLOPE))


def instance_norm(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
    """Zero mean and unit variance for each image and channel.

    Batch norm image by image, because torch's instance norm leaves the channels-last layout and copies.
    """
    normed = [F.batch_norm(image, None, None, training=True) for image in feature.chunk(len(feature))]
    return normed[0] if len(normed) == 1 else torch.cat(normed)


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
    """Pairs added along each axis, channels last: torch has no pooling in bfloat16 on a CPU, and widening copies."""

    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        rows = feature.movedim(1, -1)
        for axis in range(1, rows.dim() - 1):
            even, odd = rows.reshape(*rows.shape[:axis], -1, 2, *rows.shape[axis + 1 :]).unbind(axis + 1)
            rows = even + odd
        return (rows * 0.5 ** (feature.dim() - 2)).movedim(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows = gradient.movedim(1, -1) * 0.5 ** (gradient.dim() - 2)
        batch, *sides, channels = rows.shape
        cells = rows.reshape(batch, *(n for side in sides for n in (side, 1)), channels)
        spread = cells.expand(batch, *(n for side in sides for n in (side, 2)), channels)
        return spread.reshape(batch, *(2 * side for side in sides), channels).movedim(-1, 1)


def upsample(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *t"]:
    """Linear interpolation to twice the side, corners aligned.

    A product with a small interpolation matrix along each axis, channels last: forward and backward take an eighth of
    the time of ``F.interpolate`` on a CPU, whose backward pass is not vectorised.
    """
    rows = feature.movedim(1, -1)
    for axis in range(rows.dim() - 2, 0, -1):
        product = torch.matmul(_doubling_matrix(rows.shape[axis], rows), rows.flatten(axis + 1))
        rows = product.reshape(*rows.shape[:axis], -1, *rows.shape[axis + 1 :])
    return rows.movedim(-1, 1)


def _doubling_matrix(side: int, like: Tensor) -> Float[Tensor, "m n"]:
    """Rows of linear interpolation weights that map ``side`` samples to twice as many."""
    position = torch.linspace(0, side - 1, 2 * side, device=like.device)
    distance = (position[:, None] - torch.arange(side, device=like.device)).abs()
    return (1 - distance).clamp(min=0).to(like.dtype)
