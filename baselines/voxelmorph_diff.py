"""VoxelMorph-diff: a U-Net that predicts a distribution of stationary velocities at half resolution.

Source: Dalca et al. 2018 (MICCAI) and 2019 (Medical Image Analysis 57:226, arXiv 1903.03545). Public code: voxelmorph,
MIT; ours is written from the papers, with the settings that its authors found best (sigma 0.01, lambda 25; their
squared difference / sigma^2 + KL is ours times sigma^2). In 3-D it has 266,374 parameters.

Deviation: the velocity is integrated in 7 squarings at half resolution, border values repeated outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.integrate import exponential, resize_displacement
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.head import sample_velocity
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import Decoder, Encoder, small_convolution

IMAGE_SIGMA = 0.01


@dataclass(frozen=True, kw_only=True)
class VoxelMorphDiff(LearnedMethod):
    """Probabilistic diffeomorphic VoxelMorph with the published channels, squared differences and KL divergence."""

    name: ClassVar[str] = "voxelmorph_diff"
    source: ClassVar[str] = "Dalca et al. 2019, VoxelMorph-diff, Medical Image Analysis 57:226, built from the paper"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("ixi", "dice", 0.580, "Chen et al. 2022, TransMorph, in its preprocessing"),
    )

    encoder: tuple[int, ...] = (16, 32, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 32)
    last: tuple[int, ...] = (16,)
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            similarity="mse", kl_weight=IMAGE_SIGMA**2, prior_lambda=25.0, folding_weight=0.0
        )
    )

    def network(self, dims: int) -> "VelocityUNet":
        """A freshly initialised network for 2-D or 3-D images."""
        return VelocityUNet(dims=dims, encoder=self.encoder, decoder=self.decoder, last=self.last)


class VelocityUNet(PairNetwork):
    """Early fusion; mean and log-variance of the velocity at half resolution."""

    def __init__(self, *, dims: int, encoder: Sequence[int], decoder: Sequence[int], last: Sequence[int]) -> None:
        super().__init__(dims=dims)
        self.encoder = Encoder(dims=dims, inputs=2, channels=encoder)
        self.decoder = Decoder(dims=dims, inputs=encoder[-1], skips=encoder[:-1], channels=decoder, last=last)
        self.mean = small_convolution(dims, self.decoder.outputs)
        self.log_variance = small_convolution(dims, self.decoder.outputs, deviation=1e-10, bias=-10.0)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        feature = self.decoder(self.encoder(torch.cat((fixed, moving), dim=1))[1:])
        velocity, log_variance = (layer(feature).float().contiguous() for layer in (self.mean, self.log_variance))
        displacement = exponential(sample_velocity(velocity, log_variance, generator))
        displacement = resize_displacement(displacement, tuple(fixed.shape[2:]))
        return Registration(displacement=displacement, velocity=velocity, log_variance=log_variance)
