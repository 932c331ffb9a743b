"""VoxelMorph-2: a U-Net over both images that predicts a displacement, with more channels at full resolution.

Source: Balakrishnan et al. 2018 (CVPR, which names the two sizes) and 2019 (IEEE TMI 38(8):1788, arXiv 1809.05231).
Public code: voxelmorph, MIT; ours is written from the papers. In 3-D it has 301,411 parameters, which is what others
count (Jia et al. 2022).

Against MONAI 1.6's VoxelMorphUNet: it has a convolution at full resolution before the first skip, where ours skips the
images themselves, and it lacks our convolution of stride 1 at 1/16. With an identity for the first and the second put
in, its weights give the same output in ours (tested). The code of 2018 takes the first of the ``last`` convolutions
before the last up-sampling: 300,547 parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

from baselines.voxelmorph_1 import SIZE_NOT_NAMED, SOURCE
from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.voxelmorph import VoxelMorph


@dataclass(frozen=True, kw_only=True)
class VoxelMorph2(LearnedMethod):
    """VoxelMorph with the published channels and loss: local NCC (window 9), diffusion of weight 1."""

    name: ClassVar[str] = "voxelmorph_2"
    source: ClassVar[str] = SOURCE
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("ixi", "dice", 0.732, "Chen et al. 2022, TransMorph, in its preprocessing"),
        *SIZE_NOT_NAMED,
    )

    encoder: tuple[int, ...] = (16, 32, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 32)
    last: tuple[int, ...] = (32, 16, 16)
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def network(self, dims: int) -> VoxelMorph:
        """A freshly initialised network for 2-D or 3-D images."""
        return VoxelMorph(dims=dims, encoder=self.encoder, decoder=self.decoder, last=self.last)
