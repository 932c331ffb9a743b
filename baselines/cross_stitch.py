"""Cross-stitch: a registration and a segmentation network that exchange features by learned weights after each level.

Source: Beljaards et al. 2020 (MIDL) and Elmahdy et al. 2021 (IEEE Access 9:95551, arXiv 2105.01844); units of Misra et
al. 2016 (CVPR). Public code: moelmahdy/JRS-MTL, BSD-3-Clause; ours is written from the papers. Published scores are of
prostate CT, where the labels of the moving image are an input; that set is not here.

After each level but the first, channel by channel, either network goes on with a mix of both features, whose 2x2
weights begin at 0.5. Differences are those of ``shared_encoder``. In 3-D with four classes it has 1,391,173 parameters
(the public one 1,423,252 with five classes and three inputs).
"""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.method import SegmentingMethod
from fusemorph.networks.blocks import ConvBlock, downsample, upsample
from fusemorph.networks.head import segmentation_logits
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import small_convolution

SHARES = (1, 2, 4, 4)
"""Channels at each resolution, down to 1/8, in widths."""
TWO_TASKS = TrainingLoss(
    kl_weight=0.0, folding_weight=0.0, bending_weight=0.5, dice_weight=1.0,
    supervision=Supervision(segmentation_weight=1.0),
)  # fmt: skip
"""Local NCC, bending 0.5, soft Dice of both tasks: the loss of both networks of Elmahdy et al. 2021."""


@dataclass(frozen=True, kw_only=True)
class CrossStitch(SegmentingMethod):
    """Two U-Nets of ``width`` channels at full resolution; local NCC, bending 0.5, soft Dice of both tasks."""

    name: ClassVar[str] = "cross_stitch"
    source: ClassVar[str] = "Elmahdy et al. 2021, IEEE Access 9:95551, built from the paper"

    width: int = 14
    loss: TrainingLoss = TWO_TASKS

    def network(self, dims: int) -> "StitchedNetworks":
        """A freshly initialised network for 2-D or 3-D images."""
        return StitchedNetworks(dims=dims, width=self.width, classes=len(self.labels) + 1)


class TwoTaskNetwork(PairNetwork):
    """Registers a pair and segments its images, each in the pair in which it is the fixed one."""

    logits: nn.Module
    displacement: nn.Module

    @abstractmethod
    def features(self, pairs: Float[Tensor, "b 2 *s"]) -> tuple[Tensor, Tensor]:
        """The features for registration and for segmentation at full resolution."""

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        both = self.align_both(fixed, moving, generator)
        assert both.segmentation is not None
        count = len(fixed)
        of_fixed, of_moving = (logits[:count] for logits in both.segmentation)
        return Registration(displacement=both.displacement[:count], segmentation=(of_fixed, of_moving))

    def align_both(
        self, first: Float[Tensor, "b 1 *s"], second: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        """Both directions: the segmentation of an image is that of the pair in which it is the fixed one."""
        pairs = torch.cat((torch.cat((first, second)), torch.cat((second, first))), dim=1)
        registering, segmenting = self.features(pairs)
        logits = self.logits(segmenting).float().contiguous()
        swapped = torch.cat(tuple(reversed(logits.chunk(2))))
        displacement = self.displacement(registering).float().contiguous()
        return Registration(displacement=displacement, segmentation=(logits, swapped))


class StitchedNetworks(TwoTaskNetwork):
    """Two U-Nets over the concatenated pair, stitched after each level."""

    def __init__(self, *, dims: int, width: int, classes: int) -> None:
        super().__init__(dims=dims)
        channels = [share * width for share in SHARES]
        down = list(zip((2, *channels[:-1]), channels, strict=True))
        up = [(fine + coarse, fine) for fine, coarse in pairwise(channels)][::-1]
        self.registering, self.segmenting = (
            nn.ModuleList(ConvBlock(dims, *counts) for counts in (*down, *up)) for _ in range(2)
        )
        self.stitches = nn.ModuleList(CrossStitchUnit(dims, outputs) for _, outputs in (*down[1:], *up))
        self.logits = segmentation_logits(dims, channels[0], classes)
        self.displacement = small_convolution(dims, channels[0])

    def features(self, pairs: Float[Tensor, "b 2 *s"]) -> tuple[Tensor, Tensor]:
        levels = list(zip(self.registering, self.segmenting, strict=True))
        both = levels[0][0](pairs), levels[0][1](pairs)
        skips = [both]
        for number, (blocks, stitch) in enumerate(zip(levels[1:], self.stitches, strict=True), start=1):
            if number < len(SHARES):
                entered = downsample(both[0]), downsample(both[1])
            else:
                skip = skips[2 * len(SHARES) - 2 - number]
                entered = torch.cat((upsample(both[0]), skip[0]), 1), torch.cat((upsample(both[1]), skip[1]), 1)
            both = stitch(blocks[0](entered[0]), blocks[1](entered[1]))
            skips.append(both)
        return both


class CrossStitchUnit(nn.Module):
    """Each of two features becomes a sum of both, weighted channel by channel; all weights begin at 0.5."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((2, 2, channels, *[1] * dims), 0.5))

    def forward(
        self, first: Float[Tensor, "b c *s"], second: Float[Tensor, "b c *s"]
    ) -> tuple[Float[Tensor, "b c *s"], Float[Tensor, "b c *s"]]:
        weights = self.weights.to(first.dtype)
        return weights[0, 0] * first + weights[0, 1] * second, weights[1, 0] * first + weights[1, 1] * second
