"""DeepAtlas: a registration and a segmentation network that train in turns, coupled by their losses alone.

Source: Xu and Niethammer 2019 (MICCAI, arXiv 1904.08465). Public code: uncbiag/DeepAtlas, without a licence, and
MONAI's tutorial, Apache-2.0; ours is written from the paper. Published, as the gain in Dice over unsupervised
registration with one labelled image: .027 on knees (OAI), .018 on brains; these sets are not here.

Weights and turns are those of MONAI's tutorial: anatomy 2 (labels, or predictions where they are missing, warped and
compared), supervised segmentation 3, bending 7.5 (side / 128)^2; 5 segmentation batches, then 40 registration batches;
Adam at twice the registration's rate for segmentation. Differences: the registration network is VoxelMorph's, the
segmentation network the single-image path of AutoFuse-Semi; anatomy is soft Dice over foreground; one schedule for
both. In 3-D with four classes it has 1,346,327 parameters.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.data.dataset import Dataset
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.segmentation import SegmentationNetwork, single_channels
from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.method import SegmentingMethod
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.voxelmorph import VoxelMorph

BENDING, AT_SIDE = 7.5, 128
SEGMENTATION_RATE = 2.0


@dataclass(frozen=True, kw_only=True)
class DeepAtlas(SegmentingMethod):
    """Two networks of ``width`` channels at full resolution, in turns of so many batches each.

    The weight of bending follows from the sides of a data set's grid.
    """

    name: ClassVar[str] = "deepatlas"
    source: ClassVar[str] = "Xu and Niethammer 2019, DeepAtlas, MICCAI, built from the paper and MONAI's settings"

    width: int = 16
    segmentation_batches: int = 5
    registration_batches: int = 40
    loss: TrainingLoss = field(
        default_factory=lambda: TrainingLoss(
            kl_weight=0.0, folding_weight=0.0, bending_weight=BENDING, dice_weight=2.0,
            supervision=Supervision(
                segmentation_weight=3.0, fixed_labels_weight=2.0, moving_labels_weight=2.0, detached=False
            ),
        )
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.segmentation_batches < 1 or self.registration_batches < 1:
            raise ValueError(
                "DeepAtlas(): 'segmentation_batches' and 'registration_batches' must be 1 or more, "
                f"got {self.segmentation_batches} and {self.registration_batches}"
            )

    def for_dataset(self, dataset: Dataset) -> "DeepAtlas":
        """With the labels of a data set, and bending weighed by its longest side."""
        weight = BENDING * (max(dataset.shape) / AT_SIDE) ** 2
        return replace(super().for_dataset(dataset), loss=replace(self.loss, bending_weight=weight))  # type: ignore[return-value]

    def network(self, dims: int) -> "TwoNetworks":
        """A freshly initialised network for 2-D or 3-D images."""
        return TwoNetworks(
            dims=dims, width=self.width, classes=len(self.labels) + 1,
            turns=(self.segmentation_batches, self.registration_batches),
        )  # fmt: skip


class TwoNetworks(PairNetwork):
    """Both networks; in training one of them is frozen, which one follows from the step."""

    def __init__(self, *, dims: int, width: int, classes: int, turns: tuple[int, int]) -> None:
        super().__init__(dims=dims)
        self.turns = turns
        narrow, wide = width, 2 * width
        self.registers = VoxelMorph(
            dims=dims, encoder=(narrow, wide, wide, wide), decoder=(wide,) * 4, last=(wide, narrow, narrow)
        )
        channels = single_channels(published_channels(width))
        self.segments = SegmentationNetwork(dims=dims, channels=channels, classes=classes)

    def advance(self, share: float, step: int) -> None:
        """Freeze the network whose turn it is not."""
        segmenting = step % sum(self.turns) < self.turns[0]
        self.segments.requires_grad_(segmenting)
        self.registers.requires_grad_(not segmenting)

    def rate_of(self, name: str) -> float:
        """Learning rate of a parameter, as a multiple of the budget's."""
        return SEGMENTATION_RATE if name.startswith("segments.") else 1.0

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        of_fixed, of_moving = self.segments(torch.cat((fixed, moving))).chunk(2)
        displacement = self.registers.align(fixed, moving, generator).displacement
        return Registration(displacement=displacement, segmentation=(of_fixed, of_moving))
