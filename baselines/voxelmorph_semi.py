"""VoxelMorph with labels in its loss: one network, and soft Dice of warped labels where both images have some.

Source: Balakrishnan et al. 2019 (IEEE TMI 38(8):1788, arXiv 1809.05231), section on auxiliary segmentations. Public
code: voxelmorph, MIT; ours is written from the paper.

Its network and loss are those of ``voxelmorph_2`` and a Dice term of weight 1 in place of the paper's weights for its
mean squared error. Pairs that lack labels of either image train on the images alone. In 3-D it has 301,411 parameters.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss
from fusemorph.method import LearnedMethod, PublishedScore
from fusemorph.networks.voxelmorph import VoxelMorph


@dataclass(frozen=True, kw_only=True)
class VoxelMorphSemi(LearnedMethod):
    """VoxelMorph-2 whose channels are multiples of ``width``, published with 16; local NCC, diffusion, soft Dice."""

    name: ClassVar[str] = "voxelmorph_semi"
    source: ClassVar[str] = "Balakrishnan et al. 2019, VoxelMorph, IEEE TMI 38(8):1788, built from the paper"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("oasis", "dice", 0.847, "Learn2Reg 2021, validation, labels in training; size not named"),
    )

    width: int = 16
    loss: TrainingLoss = field(default_factory=lambda: replace(NCC_AND_DIFFUSION, dice_weight=1.0))

    def network(self, dims: int) -> VoxelMorph:
        """A freshly initialised network for 2-D or 3-D images."""
        narrow, wide = self.width, 2 * self.width
        return VoxelMorph(
            dims=dims, encoder=(narrow, wide, wide, wide), decoder=(wide,) * 4, last=(wide, narrow, narrow)
        )
