"""The transformer paths of a fusion network: the stages of the convolutional ones, from 1/2 of the resolution on.

Source: Meng et al. 2025, "AutoFuse", section 3, transformer variant; blocks of Liu et al. 2021, Swin Transformer.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.unet_path import DESCENDING, LEVEL, SKIP
from fusemorph.networks.blocks import convolution, doubling_convolution, patch_convolution
from fusemorph.networks.swin import SwinBlock

WINDOW = 5


class SwinPath(nn.Module):
    """The Swin stages of one path, only those that are needed; ``channels`` at resolutions 1/2 to 1/16.

    ``heads`` by resolution, as ``heads_for`` has them.
    """

    def __init__(
        self, *, dims: int, inputs: int, channels: Sequence[int], heads: Sequence[int], stages: Collection[int]
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleDict()
        for stage in sorted(stages):
            level = LEVEL[stage]
            before = channels[LEVEL[stage - 1]] if stage > 1 else inputs
            kind = Descent if stage in DESCENDING else Ascent
            self.stages[str(stage)] = kind(dims=dims, inputs=before, channels=channels[level], heads=heads[level])

    def __contains__(self, stage: int) -> bool:
        return str(stage) in self.stages

    def begin(self, images: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
        """What stage 1 reads: the images themselves, which its patches of two voxels a side halve."""
        return images

    def stage(self, stage: int, features: dict[int, Tensor]) -> Tensor:
        """The stage's feature from those of the stages before it; 0 is what ``begin`` made."""
        read = [features[stage - 1]] if stage in DESCENDING else [features[stage - 1], features[SKIP[stage]]]
        return self.stages[str(stage)](*read)  # type: ignore[no-any-return]


def heads_for(channels: Sequence[int]) -> tuple[int, ...]:
    """Attention heads at each resolution: the paper's C/16 for C channels of the joint path, or the next lower number
    that divides its channels and the half of them that the single-image path has."""
    return tuple(
        max(heads for heads in range(1, max(1, count // 16) + 1) if (count // 2) % heads == 0) for count in channels
    )


class Descent(nn.Module):
    """Half the sides: patches of two voxels a side, normalised, then a plain and a shifted block."""

    def __init__(self, *, dims: int, inputs: int, channels: int, heads: int) -> None:
        super().__init__()
        self.down = patch_convolution(dims, inputs, channels, side=2)
        self.norm = nn.LayerNorm(channels)
        self.blocks = SwinPair(dims=dims, channels=channels, heads=heads)

    def forward(self, before: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b c *t"]:
        return self.blocks(self.norm(self.down(before).movedim(1, -1)))  # type: ignore[no-any-return]


class Ascent(nn.Module):
    """Twice the sides, normalised, joined with the skip by a 1x1x1 convolution, then a plain and a shifted block."""

    def __init__(self, *, dims: int, inputs: int, channels: int, heads: int) -> None:
        super().__init__()
        self.up = doubling_convolution(dims, inputs, channels)
        self.norm = nn.LayerNorm(channels)
        self.join = convolution(dims, 2 * channels, channels, kernel=1)
        self.blocks = SwinPair(dims=dims, channels=channels, heads=heads)

    def forward(self, before: Float[Tensor, "b _ *t"], skip: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        doubled = self.norm(self.up(before).movedim(1, -1)).movedim(-1, 1)
        return self.blocks(self.join(torch.cat((doubled, skip), dim=1)).movedim(1, -1))  # type: ignore[no-any-return]


class SwinPair(nn.Module):
    """A plain and a shifted block; takes channels last, returns them second."""

    def __init__(self, *, dims: int, channels: int, heads: int) -> None:
        super().__init__()
        window = (WINDOW,) * dims
        self.plain = SwinBlock(channels=channels, heads=heads, window=window, shifted=False)
        self.shifted = SwinBlock(channels=channels, heads=heads, window=window, shifted=True)

    def forward(self, feature: Float[Tensor, "b *s c"]) -> Float[Tensor, "b c *s"]:
        return self.shifted(self.plain(feature, None), None).movedim(-1, 1)  # type: ignore[no-any-return]
