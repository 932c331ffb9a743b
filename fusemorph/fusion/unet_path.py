"""The convolutional paths of a fusion network, and where its seven stages lie.

Source: Meng et al. 2025, "AutoFuse", section 3, convolutional variant.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.networks.blocks import ConvBlock, downsample, upsample

LEVEL = {1: -4, 2: -3, 3: -2, 4: -1, 5: -2, 6: -3, 7: -4}
"""Place of each stage's channels in a network's, which end at 1/16 of the resolution whatever they begin with."""

HALVINGS = {stage: level + 5 for stage, level in LEVEL.items()}
"""How often the images are halved at each stage."""

SKIP = {5: 3, 6: 2, 7: 1}
DESCENDING = (1, 2, 3, 4)


class UNetPath(nn.Module):
    """The U-Net blocks of one path, only those stages that are needed; ``channels`` at resolutions 1 to 1/16."""

    def __init__(self, *, dims: int, inputs: int, channels: Sequence[int], stages: Collection[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict()
        if 1 in stages:
            self.blocks["0"] = ConvBlock(dims, inputs, channels[0])
        for stage in sorted(stages):
            before = channels[LEVEL.get(stage - 1, 0)]
            skipped = channels[LEVEL[SKIP[stage]]] if stage in SKIP else 0
            self.blocks[str(stage)] = ConvBlock(dims, before + skipped, channels[LEVEL[stage]])

    def __contains__(self, stage: int) -> bool:
        return str(stage) in self.blocks

    def begin(self, images: Float[Tensor, "b _ *s"]) -> Float[Tensor, "b _ *s"]:
        """What stage 1 reads: the feature at full resolution."""
        return self.blocks["0"](images)  # type: ignore[no-any-return]

    def stage(self, stage: int, features: dict[int, Tensor]) -> Tensor:
        """The stage's feature from those of the stages before it; 0 is what ``begin`` made."""
        before = features[stage - 1]
        if stage in DESCENDING:
            return self.blocks[str(stage)](downsample(before))  # type: ignore[no-any-return]
        return self.blocks[str(stage)](torch.cat((upsample(before), features[SKIP[stage]]), dim=1))  # type: ignore[no-any-return]
