"""A segmentation network and no registration: the control that asks what predicted labels are worth by themselves.

Ours: the single-image path of AutoFuse-Semi with its segmentation head (Meng et al. 2025), trained by soft Dice of the
labelled images alone. Its displacement is zero, so its registration Dice is that of identity; what counts is
``segmentation_dice``. At c = 16 and four classes it has 1,044,916 parameters.
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


@dataclass(frozen=True, kw_only=True)
class SegmentationAlone(SegmentingMethod):
    """The network of AutoFuse's width c (``width``) that segments ``labels``."""

    name: ClassVar[str] = "segmentation_alone"
    source: ClassVar[str] = "a control of this project, of layers of Meng et al. 2025"

    width: int = 16
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            kl_weight=0.0, folding_weight=0.0, supervision=Supervision(segmentation_weight=1.0)
        )
    )

    def network(self, dims: int) -> "Still":
        """A freshly initialised network for 2-D or 3-D images."""
        return Still(dims=dims, width=self.width, classes=len(self.labels) + 1)


class Still(PairNetwork):
    """Segments both images, and moves nothing."""

    def __init__(self, *, dims: int, width: int, classes: int) -> None:
        super().__init__(dims=dims)
        channels = single_channels(published_channels(width))
        self.segments = SegmentationNetwork(dims=dims, channels=channels, classes=classes)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        of_fixed, of_moving = self.segments(torch.cat((fixed, moving))).chunk(2)
        still = fixed.new_zeros(len(fixed), self.dims, *fixed.shape[2:])
        return Registration(displacement=still, segmentation=(of_fixed, of_moving))

    def align_both(
        self, first: Float[Tensor, "b 1 *s"], second: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        logits = self.segments(torch.cat((first, second)))
        still = first.new_zeros(2 * len(first), self.dims, *first.shape[2:])
        return Registration(displacement=still, segmentation=(logits, torch.cat(tuple(reversed(logits.chunk(2))))))
