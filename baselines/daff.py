"""DAFF: a shared encoder, a segmentation decoder, and a warping pyramid that gates both tasks' features at each level.

Source: Zhou et al. 2025 (DAFF-Net, Information Fusion, doi 10.1016/j.inffus.2025.103293, arXiv 2409.19658), built from
what is known of the paper: its layers are not reproduced, and its published scores, of brains under other splits, are
not this network's. No public code was read. It is the nearest relative of the Fusion Gates of this project: gates per
level, in a decoder that warps.

One encoder sees each image; a decoder segments it. From 1/8 of the resolution on, features of moving, of both tasks,
are warped by the displacement so far; registration and segmentation features are weighed by the gate: globally, a
weight a channel from its mean, and locally, a weight a voxel from the low and the high frequencies of the feature; a
block reads them and adds a residual displacement. Loss: local NCC, diffusion, folding 1e-5, soft Dice of both
segmentations at 0.5, and of warped labels, or predictions in their place, against those of fixed. In 3-D with four
classes it has 2,037,324 parameters (the public network 1,959,458).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.integrate import resize_displacement
from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.method import SegmentingMethod
from fusemorph.networks.blocks import ConvBlock, convolution, downsample, upsample
from fusemorph.networks.head import segmentation_logits
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import small_convolution
from fusemorph.warp import compose, warp

SHARES = (1, 2, 4, 4)
"""Channels at each resolution, down to 1/8, in widths."""


@dataclass(frozen=True, kw_only=True)
class Daff(SegmentingMethod):
    """``width`` channels at full resolution; gates at each of four resolutions."""

    name: ClassVar[str] = "daff"
    source: ClassVar[str] = "in the line of Zhou et al. 2025, DAFF-Net, Information Fusion"

    width: int = 15
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            kl_weight=0.0, diffusion_weight=1.0, dice_weight=1.0,
            supervision=Supervision(
                segmentation_weight=0.5, fixed_labels_weight=1.0, moving_labels_weight=1.0, stand_ins="always",
                detached=False,
            ),
        )
    )  # fmt: skip

    def network(self, dims: int) -> "GatedPyramid":
        """A freshly initialised network for 2-D or 3-D images."""
        return GatedPyramid(dims=dims, width=self.width, classes=len(self.labels) + 1)


class GatedPyramid(PairNetwork):
    """Features and segmentations of each image by itself, then the displacement from coarse to fine."""

    def __init__(self, *, dims: int, width: int, classes: int) -> None:
        super().__init__(dims=dims)
        channels = [share * width for share in SHARES]
        inputs = (1, *channels[:-1])
        self.encoder = nn.ModuleList(ConvBlock(dims, *counts) for counts in zip(inputs, channels, strict=True))
        steps = pairwise(channels)
        self.segmenting = nn.ModuleList(ConvBlock(dims, fine + coarse, fine) for fine, coarse in steps)
        self.logits = segmentation_logits(dims, channels[0], classes)
        self.levels = nn.ModuleList(Level(dims=dims, channels=count) for count in channels)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        features, segmenting, logits = self._look(torch.cat((fixed, moving)))
        sides = [
            (tuple(feature.chunk(2)), tuple(other.chunk(2)))
            for feature, other in zip(features, segmenting, strict=True)
        ]
        of_fixed, of_moving = logits.chunk(2)
        return Registration(displacement=self._descend(sides), segmentation=(of_fixed, of_moving))

    def align_both(
        self, first: Float[Tensor, "b 1 *s"], second: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        features, segmenting, logits = self._look(torch.cat((first, second)))
        sides = [((a, _swap(a)), (b, _swap(b))) for a, b in zip(features, segmenting, strict=True)]
        return Registration(displacement=self._descend(sides), segmentation=(logits, _swap(logits)))

    def _look(self, images: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Features of the encoder and of the segmentation decoder at each resolution, finest first, and the logits."""
        features = [self.encoder[0](images)]
        for block in self.encoder[1:]:
            features.append(block(downsample(features[-1])))
        segmenting = [features[-1]]
        for block, skip in zip(reversed(self.segmenting), reversed(features[:-1]), strict=True):
            segmenting.insert(0, block(torch.cat((upsample(segmenting[0]), skip), dim=1)))
        return features, segmenting, self.logits(segmenting[0]).float().contiguous()

    def _descend(self, sides: Sequence[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]) -> Tensor:
        displacement: Tensor | None = None
        for level, (features, segmenting) in zip(reversed(self.levels), reversed(sides), strict=True):
            displacement = level(features, segmenting, displacement)
        assert displacement is not None
        return displacement


class Level(nn.Module):
    """One resolution: gated features of both tasks, and what they add to the displacement."""

    def __init__(self, *, dims: int, channels: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(DualAttention(dims=dims, channels=2 * channels) for _ in range(2))
        self.block = ConvBlock(dims, 4 * channels, channels)
        self.residual = small_convolution(dims, channels)

    def forward(
        self, features: tuple[Tensor, ...], segmenting: tuple[Tensor, ...], displacement: Tensor | None
    ) -> Float[Tensor, "b d *s"]:
        if displacement is not None:
            displacement = resize_displacement(displacement, tuple(features[0].shape[2:]))
        tasks = [self._aligned(fixed, moving, displacement) for fixed, moving in (features, segmenting)]
        gated = [gate(task) for gate, task in zip(self.gates, tasks, strict=True)]
        residual = self.residual(self.block(torch.cat(gated, dim=1))).float().contiguous()
        return residual if displacement is None else compose(displacement, residual)

    @staticmethod
    def _aligned(fixed: Tensor, moving: Tensor, displacement: Tensor | None) -> Tensor:
        warped = moving if displacement is None else warp(moving, displacement).to(fixed.dtype)
        return torch.cat((fixed, warped), dim=1)


class DualAttention(nn.Module):
    """A weight for each channel and a weight for each voxel, both within 0 and 1, on a task's features.

    The channel's follows from the mean of the feature; the voxel's from its low frequencies, a mean over cells of two
    voxels a side, and its high ones, the rest.
    """

    def __init__(self, *, dims: int, channels: int) -> None:
        super().__init__()
        self.of_channels = nn.Linear(channels, channels)
        self.of_voxels = convolution(dims, 2 * channels, 1)

    def forward(self, feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        low = upsample(downsample(feature)) if min(feature.shape[2:]) > 2 else feature
        local = torch.sigmoid(self.of_voxels(torch.cat((low, feature - low), dim=1)))
        weights = torch.sigmoid(self.of_channels(feature.flatten(2).mean(2)))
        return feature * local * weights.view(*weights.shape, *[1] * (feature.dim() - 2))


def _swap(images: Float[Tensor, "b2 c *s"]) -> Float[Tensor, "b2 c *s"]:
    return torch.cat(tuple(reversed(images.chunk(2))))
