"""VoxelMorph-1: a U-Net over both images that predicts a displacement, with 8 channels at full resolution.

Source: Balakrishnan et al. 2018 (CVPR, which names the two sizes) and 2019 (IEEE TMI 38(8):1788, arXiv 1809.05231).
Public code: voxelmorph, MIT; ours is written from the papers. In 3-D it has 259,675 parameters.
Deviations: none known. The agreement of the trunk with MONAI's is tested on voxelmorph_2, which see.
"""

from dataclasses import dataclass
from typing import ClassVar

from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.voxelmorph import VoxelMorph

SOURCE = "Balakrishnan et al. 2019, VoxelMorph, IEEE TMI 38(8):1788, built from the paper"
SIZE_NOT_NAMED = (
    PublishedScore("mindboggle", "dice", 0.552, "Meng et al., CVPR 2024; VoxelMorph, size not named"),
    PublishedScore("buckner", "dice", 0.589, "Meng et al., CVPR 2024; VoxelMorph, size not named"),
    PublishedScore(
        "oasis", "dice", 0.847, "Learn2Reg 2021, validation, labels in training; VoxelMorph, size not named"
    ),
    PublishedScore("acdc", "dice", 0.753, "EOIR, Table IV, unsupervised; VoxelMorph, size not named"),
)
"""Scores of one of the two sizes; the papers do not say of which."""


@dataclass(frozen=True, kw_only=True)
class VoxelMorph1(LearnedMethod):
    """VoxelMorph with the published channels and loss: local NCC (window 9), diffusion of weight 1."""

    name: ClassVar[str] = "voxelmorph_1"
    source: ClassVar[str] = SOURCE
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("ixi", "dice", 0.729, "Chen et al. 2022, TransMorph, in its preprocessing"),
        *SIZE_NOT_NAMED,
    )

    encoder: tuple[int, ...] = (16, 32, 32, 32)
    decoder: tuple[int, ...] = (32, 32, 32, 32)
    last: tuple[int, ...] = (8, 8)
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def network(self, dims: int) -> VoxelMorph:
        """A freshly initialised network for 2-D or 3-D images."""
        return VoxelMorph(dims=dims, encoder=self.encoder, decoder=self.decoder, last=self.last)
