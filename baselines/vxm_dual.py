"""VoxelMorph-2's trunk with its encoder applied to each image by itself: the control that isolates dual-stream.

Source: the dual-stream encoder of Jian et al. 2025 ("Disentangling Progress in Medical Image Registration",
arXiv 2512.01913) in VoxelMorph (Balakrishnan et al. 2019). Public code: rethink-reg; ours is written from the papers.

Everything but the two streams is VoxelMorph-2's: channels, loss, head. One set of encoder weights sees fixed and
moving; at the coarsest resolution and at every skip the two features are concatenated. So the decoder reads twice the
channels, and in 3-D it has 397,747 parameters to VoxelMorph-2's 301,411: what it gains may be capacity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import Decoder, Encoder, small_convolution


@dataclass(frozen=True, kw_only=True)
class VxmDual(LearnedMethod):
    """VoxelMorph-2 with a shared encoder for each image, its channels and its loss."""

    name: ClassVar[str] = "vxm_dual"
    source: ClassVar[str] = "Jian et al. 2025, arXiv 2512.01913, on Balakrishnan et al. 2019, built from the papers"

    encoder: tuple[int, ...] = (16, 32, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 32)
    last: tuple[int, ...] = (32, 16, 16)
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def network(self, dims: int) -> "DualStreamUNet":
        """A freshly initialised network for 2-D or 3-D images."""
        return DualStreamUNet(dims=dims, encoder=self.encoder, decoder=self.decoder, last=self.last)


class DualStreamUNet(PairNetwork):
    """Middle fusion by concatenation at every resolution, full resolution, a plain displacement."""

    def __init__(self, *, dims: int, encoder: Sequence[int], decoder: Sequence[int], last: Sequence[int]) -> None:
        super().__init__(dims=dims)
        self.encoder = Encoder(dims=dims, inputs=1, channels=encoder)
        skips = [2 * count for count in (1, *encoder[:-1])]
        self.decoder = Decoder(dims=dims, inputs=2 * encoder[-1], skips=skips, channels=decoder, last=last)
        self.displacement = small_convolution(dims, self.decoder.outputs)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        streams = self.encoder(torch.cat((fixed, moving)))
        feature = self.decoder([torch.cat(stream.chunk(2), dim=1) for stream in streams])
        return Registration(displacement=self.displacement(feature).float().contiguous())
