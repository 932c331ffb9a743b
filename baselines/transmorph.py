"""TransMorph: a Swin encoder over both images, and a convolutional decoder to a displacement.

Source: Chen et al. 2022, Medical Image Analysis 82:102615, arXiv 2111.10480. Public code: MIT; ours is written from the
paper, with the public settings. In 3-D it has 46,771,251 parameters, as published (46.77 M).

The size for a CPU is ``width=24`` (3.03 M); the published Tiny, ``width=6, heads=(2, 2, 4, 4)``, has 0.24 M.

Deviations: images of any shape, by padding to sides of 16, then by windows padded with zeros, odd sides merged with a
zero and cropped in the decoder; windows no larger than the feature; up-sampling with aligned corners.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.blocks import convolution, downsample, instance_norm, patch_convolution, upsample
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.swin import PatchMerging, SwinBlock
from fusemorph.networks.unet import small_convolution

PATCH = 4


@dataclass(frozen=True, kw_only=True)
class Transmorph(LearnedMethod):
    """TransMorph with the published width, depths, windows, stochastic depth and loss (local NCC, diffusion)."""

    name: ClassVar[str] = "transmorph"
    source: ClassVar[str] = "Chen et al. 2022, TransMorph, Medical Image Analysis 82:102615, built from the paper"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("mindboggle", "dice", 0.571, "Meng et al., CVPR 2024"),
        PublishedScore("buckner", "dice", 0.608, "Meng et al., CVPR 2024"),
        PublishedScore("oasis", "dice", 0.862, "Learn2Reg 2021, validation, labels in training; TransMorph-Large"),
        PublishedScore("ixi", "dice", 0.753, "Chen et al. 2022, TransMorph, in its preprocessing"),
        PublishedScore("acdc", "dice", 0.750, "EOIR, Table IV, unsupervised"),
    )

    width: int = 96
    depths: tuple[int, ...] = (2, 2, 4, 2)
    heads: tuple[int, ...] = (4, 4, 8, 8)
    window: tuple[int, int, int] = (5, 6, 7)
    last: int = 16
    drop_rate: float = 0.3
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def __post_init__(self) -> None:
        if len(self.depths) != len(self.heads) or self.width % 2:
            raise ValueError(
                "Transmorph(): 'width' must be even and 'heads' have an entry for each of 'depths', "
                f"got {self.width}, {self.heads} and {self.depths}"
            )

    def network(self, dims: int) -> "SwinUNet":
        """A freshly initialised network for 2-D or 3-D images; 2-D windows have the first two sides."""
        encoder = SwinEncoder(
            dims=dims, width=self.width, depths=self.depths, heads=self.heads, window=self.window[:dims],
            drop_rate=self.drop_rate,
        )  # fmt: skip
        return SwinUNet(encoder, dims=dims, last=self.last)


class SwinUNet(PairNetwork):
    """Early fusion; transformer features from 1/4 on, convolutional ones at 1 and 1/2; a plain displacement."""

    def __init__(self, encoder: "SwinEncoder", *, dims: int, last: int) -> None:
        super().__init__(dims=dims)
        self.encoder = encoder
        width, *coarser = encoder.channels
        self.at_full = convolution(dims, 2, last, bias=False)
        self.at_half = convolution(dims, 2, width // 2, bias=False)
        counts = [last, width // 2, width, *coarser]  # finest first
        self.decoder = nn.ModuleList(DecoderBlock(dims, coarse, fine) for fine, coarse in pairwise(counts))
        self.displacement = small_convolution(dims, last)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        images = torch.cat((fixed, moving), dim=1)
        skips = [_activate(self.at_full(images)), _activate(self.at_half(downsample(images)))]
        *finer, feature = self.encoder(images, generator)
        skips += finer
        for block, skip in zip(reversed(self.decoder), reversed(skips), strict=True):
            feature = block(feature, skip)
        return Registration(displacement=self.displacement(feature).float().contiguous())


class SwinEncoder(nn.Module):
    """Patch embedding and Swin stages; the normalised feature of each, finest first, with channels second."""

    def __init__(
        self,
        *,
        dims: int,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: Sequence[int],
        drop_rate: float,
    ) -> None:
        super().__init__()
        self.channels = tuple(width * 2**stage for stage in range(len(depths)))
        self.embedding, self.norm = patch_convolution(dims, 2, width, side=PATCH), nn.LayerNorm(width)
        self.stages, self.merges, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        rates = iter(torch.linspace(0, drop_rate, sum(depths), device="cpu").tolist())
        for stage, (depth, count) in enumerate(zip(depths, heads, strict=True)):
            channels = self.channels[stage]
            self.stages.append(
                nn.ModuleList(
                    SwinBlock(
                        channels=channels, heads=count, window=window, shifted=bool(index % 2), query_bias=False,
                        drop_rate=next(rates),
                    )
                    for index in range(depth)
                )
            )  # fmt: skip
            self.norms.append(nn.LayerNorm(channels))
            if stage < len(depths) - 1:
                self.merges.append(PatchMerging(dims=dims, channels=channels))

    def forward(self, images: Float[Tensor, "b 2 *s"], generator: torch.Generator | None) -> list[Tensor]:
        feature, features = self.norm(self.embedding(images).movedim(1, -1)), []
        for stage, norm in enumerate(self.norms):
            for block in self.stages[stage]:  # type: ignore[attr-defined]
                feature = block(feature, generator)
            features.append(norm(feature).movedim(-1, 1))
            if stage < len(self.merges):
                feature = self.merges[stage](feature)
        return features


class DecoderBlock(nn.Module):
    """Up-sampling, the skip, and two convolutions with instance norm and LeakyReLU."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = convolution(dims, inputs + outputs, outputs, bias=False)
        self.second = convolution(dims, outputs, outputs, bias=False)

    def forward(self, feature: Float[Tensor, "b _ *t"], skip: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        feature = upsample(feature)[(slice(None), slice(None), *(slice(side) for side in skip.shape[2:]))]
        return _activate(self.second(_activate(self.first(torch.cat((feature, skip), dim=1)))))


def _activate(feature: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
    return F.leaky_relu(instance_norm(feature), 0.01)
