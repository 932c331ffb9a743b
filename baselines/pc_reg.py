"""PC-Reg: a segmentation network whose predictions are further inputs of the registration network.

Source: He et al. 2022 (IEEE JBHI 26(3), "Few-shot Learning for Deformable Medical Image Registration with
Perception-Correspondence Decoupling and Reverse Teaching", PC-Reg-RT). Public code: YutingHe-list/PC-Reg-RT, without a
licence; ours is written from what is known of the paper. Published scores are of cardiac CT and brains that are not
here.

Probabilities of all classes enter beside both images. Reverse teaching is the term between warped labels and the
prediction of fixed, weight 0.5. Differences: both stages are one, with that term from the first step on; similarity is
of the images, not class by class; segmentation is trained by soft Dice in place of cross-entropy; networks are
VoxelMorph's and the single-image path of AutoFuse-Semi, together 1,356,695 parameters in 3-D with four classes (the
public ones have 5.89 million each, with eight).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.segmentation import SegmentationNetwork, single_channels
from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.method import SegmentingMethod
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import Decoder, Encoder, small_convolution


@dataclass(frozen=True, kw_only=True)
class PcReg(SegmentingMethod):
    """Both networks with ``width`` channels at full resolution; local NCC and diffusion 1 to 1."""

    name: ClassVar[str] = "pc_reg"
    source: ClassVar[str] = "in the line of He et al. 2022, PC-Reg-RT, IEEE JBHI"

    width: int = 16
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            kl_weight=0.0, folding_weight=0.0, diffusion_weight=1.0,
            supervision=Supervision(
                segmentation_weight=1.0, moving_labels_weight=0.5, stand_ins="always", detached=False
            ),
        )
    )  # fmt: skip

    def network(self, dims: int) -> "PerceptionThenCorrespondence":
        """A freshly initialised network for 2-D or 3-D images."""
        return PerceptionThenCorrespondence(dims=dims, width=self.width, classes=len(self.labels) + 1)


class PerceptionThenCorrespondence(PairNetwork):
    """Segments each image, then registers the images with what was found in them."""

    def __init__(self, *, dims: int, width: int, classes: int) -> None:
        super().__init__(dims=dims)
        narrow, wide = width, 2 * width
        channels = single_channels(published_channels(width))
        self.segments = SegmentationNetwork(dims=dims, channels=channels, classes=classes)
        inputs = 2 * (1 + classes)
        self.encoder = Encoder(dims=dims, inputs=inputs, channels=(narrow, wide, wide, wide))
        self.decoder = Decoder(
            dims=dims,
            inputs=wide,
            skips=(inputs, narrow, wide, wide),
            channels=(wide,) * 4,
            last=(wide, narrow, narrow),
        )
        self.displacement = small_convolution(dims, self.decoder.outputs)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        of_fixed, of_moving = self.segments(torch.cat((fixed, moving))).chunk(2)
        seen = torch.cat((fixed, moving, of_fixed.softmax(1), of_moving.softmax(1)), dim=1)
        feature = self.decoder(self.encoder(seen))
        displacement = self.displacement(feature).float().contiguous()
        return Registration(displacement=displacement, segmentation=(of_fixed, of_moving))
