"""One encoder of the pair and two decoders: registration and segmentation share features by construction.

Source: Elmahdy et al. 2021 (IEEE Access 9:95551, arXiv 2105.01844), their network with a shared encoder and double
decoder. Public code: moelmahdy/JRS-MTL, BSD-3-Clause; ours is written from the paper. Published scores are of prostate
CT, where the labels of the moving image are an input; that set is not here.

Differences: the moving image's labels are no input, since half of the images have none here; it segments the fixed
image of a pair, so that both images take two passes; layers are a U-Net's of this project, and losses apply at full
resolution alone, where the paper's apply at three. In 3-D with four classes it has 1,055,761 parameters (the public one
988,836 with five classes and three inputs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.cross_stitch import SHARES, TWO_TASKS, TwoTaskNetwork
from fusemorph.losses import TrainingLoss
from fusemorph.method import SegmentingMethod
from fusemorph.networks.blocks import ConvBlock, downsample, upsample
from fusemorph.networks.head import segmentation_logits
from fusemorph.networks.unet import small_convolution


@dataclass(frozen=True, kw_only=True)
class SharedEncoder(SegmentingMethod):
    """``width`` channels at full resolution; local NCC, bending 0.5, soft Dice of both tasks."""

    name: ClassVar[str] = "shared_encoder"
    source: ClassVar[str] = "Elmahdy et al. 2021, IEEE Access 9:95551, built from the paper"

    width: int = 14
    loss: TrainingLoss = TWO_TASKS

    def network(self, dims: int) -> "TwoDecoders":
        """A freshly initialised network for 2-D or 3-D images."""
        return TwoDecoders(dims=dims, width=self.width, classes=len(self.labels) + 1)


class TwoDecoders(TwoTaskNetwork):
    """A U-Net over the concatenated pair whose decoder stands twice."""

    def __init__(self, *, dims: int, width: int, classes: int) -> None:
        super().__init__(dims=dims)
        channels = [share * width for share in SHARES]
        inputs = (2, *channels[:-1])
        self.encoder = nn.ModuleList(ConvBlock(dims, *counts) for counts in zip(inputs, channels, strict=True))
        self.segmenting, self.registering = (_Decoder(dims, channels) for _ in range(2))
        self.logits = segmentation_logits(dims, channels[0], classes)
        self.displacement = small_convolution(dims, channels[0])

    def features(self, pairs: Float[Tensor, "b 2 *s"]) -> tuple[Tensor, Tensor]:
        encoded = [self.encoder[0](pairs)]
        for block in self.encoder[1:]:
            encoded.append(block(downsample(encoded[-1])))
        return self.registering(encoded), self.segmenting(encoded)


class _Decoder(nn.Module):
    """The way back up of a U-Net, skips by concatenation."""

    def __init__(self, dims: int, channels: Sequence[int]) -> None:
        super().__init__()
        steps = pairwise(channels)
        self.blocks = nn.ModuleList(ConvBlock(dims, fine + coarse, fine) for fine, coarse in steps)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The feature at full resolution, from those of the encoder, finest first."""
        *skips, feature = features
        for block, skip in zip(reversed(self.blocks), reversed(skips), strict=True):
            feature = block(torch.cat((upsample(feature), skip), dim=1))
        return feature
