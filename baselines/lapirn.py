"""LapIRN: a Laplacian pyramid of three networks, trained level by level from the coarsest on.

Source: Mok and Chung 2020 (MICCAI, arXiv 2006.16148), its diffeomorphic form. The public code (cwmok/LapIRN) states no
licence: it was read for its settings, ours is written from the paper. In 3-D it has 923,748 parameters, which is what
the public layers add up to.

A level sees the images at its resolution, moving warped by the level before, and the velocity so far; it adds to the
velocity. Its features are added to those of the next level. Training: a quarter of the steps for each of the coarse
levels, the rest for the finest; the levels below are frozen for the first sixtieth of all steps of a level, as in the
public 30,000 + 30,000 + 60,000 steps with 2,000 frozen ones.

Loss: the paper's similarity pyramid, and diffusion of the velocity with the public code's 3.5, which is 14 in voxels
(its velocity is in half sides). Deviations: one Adam and one schedule over all levels, where the public code starts
anew; images are halved by 2-voxel cells inside the network.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.grid import per_axis
from fusemorph.integrate import exponential, resize_displacement
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.blocks import NEGATIVE_SLOPE, convolution, doubling_convolution, downsample
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.warp import warp

LEVELS = 3
RESIDUAL_BLOCKS = 5
STARTS = (0.0, 0.25, 0.5)  # share of the steps at which each level begins
FROZEN = 1 / 60  # share of the steps for which the levels below stay frozen


@dataclass(frozen=True, kw_only=True)
class Lapirn(LearnedMethod):
    """Three levels of ``channels`` features; a level moves a voxel by at most ``largest_shift`` half sides an axis."""

    name: ClassVar[str] = "lapirn"
    source: ClassVar[str] = "Mok and Chung 2020, LapIRN, MICCAI, built from the paper"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("mindboggle", "dice", 0.605, "Meng et al., CVPR 2024"),
        PublishedScore("buckner", "dice", 0.632, "Meng et al., CVPR 2024"),
        PublishedScore("oasis", "dice", 0.861, "Learn2Reg 2021, validation, labels in training"),
    )

    channels: int = 28
    largest_shift: float = 0.4
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            levels=3, window=7, kl_weight=0.0, folding_weight=0.0, diffusion_weight=14.0
        )
    )

    def network(self, dims: int) -> "LaplacianPyramid":
        """A freshly initialised network for 2-D or 3-D images."""
        return LaplacianPyramid(dims=dims, channels=self.channels, largest_shift=self.largest_shift)


class LaplacianPyramid(PairNetwork):
    """Early fusion at each of three resolutions; a stationary velocity that grows from level to level."""

    def __init__(self, *, dims: int, channels: int, largest_shift: float) -> None:
        super().__init__(dims=dims)
        inputs = [2] + [2 + dims] * (LEVELS - 1)
        self.levels = nn.ModuleList(
            Level(dims=dims, inputs=count, channels=channels, largest_shift=largest_shift) for count in inputs
        )
        self.finest = LEVELS  # levels in use

    def advance(self, share: float, step: int) -> None:
        """Take up the levels that have begun after this share of the training; freeze and thaw those below."""
        self.finest = sum(share >= start for start in STARTS)
        thawed = self.finest == 1 or share >= STARTS[self.finest - 1] + FROZEN
        for index, level in enumerate(self.levels, start=1):
            level.requires_grad_(thawed or index >= self.finest)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        images = [torch.cat((fixed, moving), dim=1)]
        for _ in range(LEVELS - 1):
            images.insert(0, downsample(images[0]))
        velocity, feature = None, None
        for level, pair in zip(self.levels[: self.finest], images, strict=False):
            velocity, feature = level(pair, velocity, feature)
        assert velocity is not None
        displacement = resize_displacement(exponential(velocity), tuple(fixed.shape[2:]))
        return Registration(displacement=displacement, velocity=velocity, halvings=LEVELS - self.finest)


class Level(nn.Module):
    """One resolution: what to add to the velocity of the level before."""

    def __init__(self, *, dims: int, inputs: int, channels: int, largest_shift: float) -> None:
        super().__init__()
        self.largest_shift = largest_shift
        self.first = convolution(dims, inputs, channels, bias=False)
        self.second = convolution(dims, channels, channels, bias=False)
        self.down = convolution(dims, channels, channels, stride=2, bias=False)
        self.blocks = nn.ModuleList(ResidualBlock(dims, channels) for _ in range(RESIDUAL_BLOCKS))
        self.up = doubling_convolution(dims, channels, channels, bias=False)
        self.merge = convolution(dims, 2 * channels, channels, bias=False)
        self.velocity = convolution(dims, channels, dims, bias=False)

    def forward(
        self,
        images: Float[Tensor, "b 2 *s"],
        velocity: Float[Tensor, "b d *t"] | None,
        feature: Float[Tensor, "b c *t"] | None,
    ) -> tuple[Float[Tensor, "b d *s"], Float[Tensor, "b c *s"]]:
        shape = tuple(images.shape[2:])
        if velocity is not None:
            fixed, moving = images.chunk(2, dim=1)
            moving = warp(moving, resize_displacement(exponential(velocity), shape))
            velocity = resize_displacement(velocity, shape)
            images = torch.cat((fixed, moving, velocity), dim=1)
        fine = self.second(_activate(self.first(images)))
        coarse = self.down(fine) if feature is None else self.down(fine) + feature
        for block in self.blocks:
            coarse = _activate(block(coarse))
        feature = self.up(coarse)
        added = F.softsign(self.velocity(_activate(self.merge(torch.cat((feature, fine), dim=1)))).float())
        added = added * (0.5 * self.largest_shift * per_axis(shape, added).view(-1, *[1] * len(shape)))
        return added.contiguous() if velocity is None else velocity + added, feature


class ResidualBlock(nn.Module):
    """Activation and convolution, twice, added to the input."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.first = convolution(dims, channels, channels, bias=False)
        self.second = convolution(dims, channels, channels, bias=False)

    def forward(self, feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        return feature + self.second(_activate(self.first(_activate(feature))))  # type: ignore[no-any-return]


def _activate(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
    return F.leaky_relu(feature, NEGATIVE_SLOPE)
