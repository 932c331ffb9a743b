"""Swin transformer blocks for 2-D and 3-D features of any shape; features have channels last, ``(b, *s, c)``.

Source: Liu et al. 2021, Swin Transformer, ICCV. Written here, for two pages of code, rather than taken from MONAI,
which would become a dependency of every installation; the tests hold it to MONAI's block.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from fusemorph.networks.noise import uniform


class SwinBlock(nn.Module):
    """Attention inside windows and a perceptron, each normalised before and added after.

    ``shifted``: windows are moved by half their sides. Windows are no larger than the feature; where its sides are no
    multiples of theirs, zeros are appended. ``drop_rate``: with a generator, how often a branch is left out for an
    image (stochastic depth).
    """

    def __init__(
        self,
        *,
        channels: int,
        heads: int,
        window: Sequence[int],
        shifted: bool,
        query_bias: bool = True,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.shifted, self.drop_rate = shifted, drop_rate
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels=channels, heads=heads, window=window, query_bias=query_bias)
        self.norm2 = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, feature: Float[Tensor, "b *s c"], generator: torch.Generator | None) -> Float[Tensor, "b *s c"]:
        feature = feature + self._drop(self._attend(self.norm1(feature)), generator)
        return feature + self._drop(self.perceptron(self.norm2(feature)), generator)

    def _attend(self, feature: Tensor) -> Tensor:
        sides = feature.shape[1:-1]
        window = [min(extent, side) for extent, side in zip(self.attention.window, sides, strict=True)]
        shift = [
            extent // 2 if self.shifted and extent < side else 0 for extent, side in zip(window, sides, strict=True)
        ]
        axes = list(range(1, feature.dim() - 1))
        margins = [(-side) % extent for side, extent in zip(sides, window, strict=True)]
        feature = F.pad(feature, [0, 0, *(n for margin in reversed(margins) for n in (0, margin))])
        padded = feature.shape[1:-1]
        mask = _neighbours(padded, window, shift, feature.device) if any(shift) else None
        windows = split_windows(feature.roll([-n for n in shift], axes), window)
        attended = join_windows(self.attention(windows, window, mask), window, padded).roll(shift, axes)
        return attended[(slice(None), *(slice(side) for side in sides))]

    def _drop(self, branch: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None or not self.drop_rate:
            return branch
        shape = (len(branch), *[1] * (branch.dim() - 1))
        kept = uniform(shape, generator=generator, device=branch.device) >= self.drop_rate
        return branch * kept / (1 - self.drop_rate)


class WindowAttention(nn.Module):
    """Self-attention of the voxels of a window, with a learned bias for each relative position."""

    def __init__(self, *, channels: int, heads: int, window: Sequence[int], query_bias: bool) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"WindowAttention(): 'heads' must divide the {channels} channels, got {heads}")
        self.heads, self.window = heads, tuple(window)
        self.position_bias = nn.Parameter(torch.zeros(math.prod(2 * side - 1 for side in window), heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        self.queries_keys_values = nn.Linear(channels, 3 * channels, bias=query_bias)
        self.projection = nn.Linear(channels, channels)

    def forward(
        self, windows: Float[Tensor, "n t c"], sides: Sequence[int], mask: Float[Tensor, "m 1 t t"] | None
    ) -> Float[Tensor, "n t c"]:
        count, voxels, channels = windows.shape
        split = self.queries_keys_values(windows).view(count, voxels, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind()
        index = relative_positions(sides, self.window, windows.device)
        bias = self.position_bias[index.flatten()].view(voxels, voxels, -1).permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask).repeat(count // len(mask), 1, 1, 1)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias.to(split.dtype))
        return self.projection(attended.transpose(1, 2).reshape(count, voxels, channels))  # type: ignore[no-any-return]


def relative_positions(sides: Sequence[int], window: Sequence[int], device: torch.device) -> Int[Tensor, "t t"]:
    """For each pair of voxels of a window of these ``sides`` the row of their offset in the table of ``window``."""
    axes = [torch.arange(side, device=device) for side in sides]
    voxels = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
    index = torch.zeros(voxels.shape[1], voxels.shape[1], dtype=torch.long, device=device)
    for along, side in zip(voxels, window, strict=True):
        index = index * (2 * side - 1) + along[:, None] - along + side - 1
    return index


def split_windows(feature: Float[Tensor, "b *s c"], window: Sequence[int]) -> Float[Tensor, "n t c"]:
    """The windows of each image, one after the other, each as a sequence of its voxels."""
    batch, *sides, channels = feature.shape
    cells = [n for side, extent in zip(sides, window, strict=True) for n in (side // extent, extent)]
    last = 2 * len(sides) + 1
    rows = feature.reshape(batch, *cells, channels).permute(0, *range(1, last, 2), *range(2, last, 2), last)
    return rows.reshape(-1, math.prod(window), channels)


def join_windows(
    windows: Float[Tensor, "n t c"], window: Sequence[int], sides: Sequence[int]
) -> Float[Tensor, "b *s c"]:
    """Undo ``split_windows`` for features of these sides."""
    counts = [side // extent for side, extent in zip(sides, window, strict=True)]
    dims, channels = len(counts), windows.shape[-1]
    order = [n for axis in range(dims) for n in (1 + axis, 1 + dims + axis)]
    cells = windows.reshape(-1, *counts, *window, channels).permute(0, *order, 2 * dims + 1)
    return cells.reshape(-1, *sides, channels)


def _neighbours(
    sides: Sequence[int], window: Sequence[int], shift: Sequence[int], device: torch.device
) -> Float[Tensor, "m 1 t t"]:
    """For each window of a rolled feature, 0 for voxels that were neighbours before rolling and -inf for others."""
    regions = torch.zeros(tuple(sides), device=device)
    for axis, (side, extent, moved) in enumerate(zip(sides, window, shift, strict=True)):
        along = torch.arange(side, device=device)
        region = (along >= side - extent).float() + (along >= side - moved)
        regions = 3 * regions + region.view(-1, *[1] * (len(sides) - 1 - axis))
    windows = split_windows(regions[None, ..., None], window)
    apart = windows != windows.transpose(1, 2)
    return torch.zeros(apart.shape, device=device).masked_fill(apart, -math.inf)[:, None]


class PatchMerging(nn.Module):
    """Half the sides and twice the channels: the 2^d voxels of a cell, normalised and mapped; odd sides get a zero."""

    def __init__(self, *, dims: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2**dims * channels)
        self.reduction = nn.Linear(2**dims * channels, 2 * channels, bias=False)

    def forward(self, feature: Float[Tensor, "b *s c"]) -> Float[Tensor, "b *t e"]:
        sides = feature.shape[1:-1]
        feature = F.pad(feature, [0, 0, *(n for side in reversed(sides) for n in (0, side % 2))])
        halves = [-(-side // 2) for side in sides]
        cells = split_windows(feature, [2] * len(sides))
        return self.reduction(self.norm(cells.reshape(len(feature), *halves, -1)))  # type: ignore[no-any-return]
