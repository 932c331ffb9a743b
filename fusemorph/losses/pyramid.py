"""Similarity over several resolutions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.losses.ncc import ncc
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.precision import full_precision

if TYPE_CHECKING:
    from fusemorph.networks.registration import Registration


@dataclass(frozen=True, kw_only=True)
class PyramidLoss(TrainingLoss):
    """An objective whose similarity is the weighted sum of local NCC at several resolutions.

    The images are compared as they are with ``window``, and after each of ``levels - 1`` halvings with a window smaller
    by 2 and half the weight. A registration of a coarse level is compared from its own resolution on, there with weight
    1.

    Source: Mok and Chung 2020 (LapIRN), eq. 3.
    """

    levels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.similarity != "ncc":
            raise ValueError(f"PyramidLoss(): 'similarity' must be ncc, got {self.similarity!r}")
        if not 1 <= self.levels <= (self.window - 1) // 2:
            raise ValueError(
                f"PyramidLoss(): 'levels' must leave a window of 3 at the last, got {self.levels} levels "
                f"and window {self.window}"
            )

    def _similarity(self, registration: "Registration", fixed: Tensor, warped: Tensor) -> Tensor:
        loss = fixed.new_zeros(())
        for halvings in range(self.levels):
            if halvings >= registration.halvings:
                weight = 0.5 ** (halvings - registration.halvings)
                loss = loss + weight * ncc(fixed, warped, window=self.window - 2 * halvings)
            fixed, warped = halve(fixed), halve(warped)
        return loss


@full_precision
def halve(image: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *t"]:
    """Every second voxel of the mean over 3 voxels a side, of any shape; at the border of those truly there."""
    pool = F.avg_pool3d if image.dim() == 5 else F.avg_pool2d
    return pool(image, 3, stride=2, padding=1, count_include_pad=False)
