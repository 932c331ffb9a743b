"""A dual-stream pyramid: features of each image from a shared encoder, aligned coarse to fine with local correlation.

Source: in the line of Kang et al. 2022 (Dual-PRNet++, Medical Image Analysis 78:102379, arXiv 1909.12003: two streams,
sequential warping, local correlation at each level) and Meng et al. 2022 (NICE-Net, MICCAI: one pass that hands
features on from level to level). Built from the papers; neither paper's exact layers are reproduced, so no published
score is this network's.

At each of five resolutions, from 1/16 on: moving features are warped by the displacement so far; a block reads fixed
features, warped features, their cost volume (offsets of one voxel), the displacement, and its own features of the
coarser level; its residual displacement is composed with the one so far. Loss: VoxelMorph's. In 3-D it has 616,527
parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.fusion.operators.correlation import cost_volume
from fusemorph.integrate import resize_displacement
from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.blocks import ConvBlock, downsample, upsample
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import small_convolution
from fusemorph.warp import compose, warp


@dataclass(frozen=True, kw_only=True)
class DualStreamPyramid(LearnedMethod):
    """Five resolutions, ``channels`` by resolution from the finest on; VoxelMorph's loss."""

    name: ClassVar[str] = "dual_stream_pyramid"
    source: ClassVar[str] = "in the line of Kang et al. 2022 (Dual-PRNet++) and Meng et al. 2022 (NICE-Net)"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("mindboggle", "dice", 0.608, "Meng et al., CVPR 2024; Dual-PRNet++, not this network"),
        PublishedScore("buckner", "dice", 0.636, "Meng et al., CVPR 2024; Dual-PRNet++, not this network"),
    )

    channels: tuple[int, ...] = (8, 16, 32, 32, 32)
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def __post_init__(self) -> None:
        if not 1 <= len(self.channels) <= 5:
            raise ValueError(f"DualStreamPyramid(): 'channels' must be of 1 to 5 resolutions, got {self.channels}")

    def network(self, dims: int) -> "PyramidNetwork":
        """A freshly initialised network for 2-D or 3-D images."""
        return PyramidNetwork(dims=dims, channels=self.channels)


class PyramidNetwork(PairNetwork):
    """Correlation at every resolution, a plain displacement composed of one residual a resolution."""

    def __init__(self, *, dims: int, channels: Sequence[int]) -> None:
        super().__init__(dims=dims)
        inputs = (1, *channels[:-1])
        self.encoder = nn.ModuleList(ConvBlock(dims, *counts) for counts in zip(inputs, channels, strict=True))
        coarser = (*channels[1:], 0)
        self.levels = nn.ModuleList(
            Level(dims=dims, channels=count, coarser=below) for count, below in zip(channels, coarser, strict=True)
        )

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        pyramid = self._pyramid(torch.cat((fixed, moving)))
        displacement, feature = None, None
        for level, features in zip(reversed(self.levels), reversed(pyramid), strict=True):
            displacement, feature = level(*features.chunk(2), displacement, feature)
        assert displacement is not None
        return Registration(displacement=displacement)

    def _pyramid(self, images: Float[Tensor, "b2 1 *s"]) -> list[Tensor]:
        """Features of fixed and moving, stacked along the batch, finest first."""
        features = [self.encoder[0](images)]
        for block in self.encoder[1:]:
            features.append(block(downsample(features[-1])))
        return features


class Level(nn.Module):
    """One resolution: what is left to align after the coarser ones. ``coarser``: channels of the level before."""

    def __init__(self, *, dims: int, channels: int, coarser: int) -> None:
        super().__init__()
        handed_on = coarser + dims if coarser else 0
        self.block = ConvBlock(dims, 2 * channels + 3**dims + handed_on, channels)
        self.residual = small_convolution(dims, channels)

    def forward(
        self,
        fixed: Float[Tensor, "b c *s"],
        moving: Float[Tensor, "b c *s"],
        displacement: Float[Tensor, "b d *t"] | None,
        feature: Float[Tensor, "b _ *t"] | None,
    ) -> tuple[Float[Tensor, "b d *s"], Float[Tensor, "b c *s"]]:
        handed_on = []
        if displacement is not None and feature is not None:
            displacement = resize_displacement(displacement, tuple(fixed.shape[2:]))
            moving = warp(moving, displacement)
            handed_on = [displacement, upsample(feature)]
        feature = self.block(torch.cat((fixed, moving, cost_volume(fixed, moving), *handed_on), dim=1))
        residual = self.residual(feature).float().contiguous()
        return residual if displacement is None else compose(displacement, residual), feature
