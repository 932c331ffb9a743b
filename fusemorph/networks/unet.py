"""VoxelMorph's U-Net, in two halves so that a network may put something between them, and its displacement head.

Source: Balakrishnan et al. 2019, VoxelMorph, IEEE TMI 38(8):1788, figure 3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.networks.blocks import NEGATIVE_SLOPE, channels_last, convolution


class Encoder(nn.Module):
    """Convolutions of stride 2, each with LeakyReLU: one resolution a layer."""

    def __init__(self, *, dims: int, inputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        pairs = zip((inputs, *channels), channels, strict=False)
        self.layers = nn.ModuleList(convolution(dims, before, after, stride=2) for before, after in pairs)

    def forward(self, images: Float[Tensor, "b c *s"]) -> list[Tensor]:
        """The images and the feature of each layer, finest first."""
        features = [channels_last(images)]  # else each of the skips would be copied, there and back
        for layer in self.layers:
            features.append(_activate(layer(features[-1])))
        return features


class Decoder(nn.Module):
    """A convolution a resolution from the coarsest on, up-sampling and skips between them, then the ``last`` ones.

    ``skips``: channels of the features taken by skips, finest first; ``inputs``: those of the coarsest feature. With
    fewer skips than layers it stays at the resolution of the finest skip.
    """

    def __init__(
        self, *, dims: int, inputs: int, skips: Sequence[int], channels: Sequence[int], last: Sequence[int]
    ) -> None:
        super().__init__()
        if len(channels) - len(skips) not in (0, 1):
            raise ValueError(
                f"Decoder(): 'channels' must have a layer for each skip, or one more, got {tuple(channels)} "
                f"for {len(skips)} skips"
            )
        self.layers, self.last = nn.ModuleList(), nn.ModuleList()
        skipped = [*reversed(skips), 0]
        for count, skip in zip(channels, skipped, strict=False):
            self.layers.append(convolution(dims, inputs, count))
            inputs = count + skip
        for count in last:
            self.last.append(convolution(dims, inputs, count))
            inputs = count
        self.outputs = inputs

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The finest feature, from the skipped ones and the coarsest, finest first."""
        *skips, feature = features
        for layer in self.layers:
            feature = _activate(layer(feature))
            if skips:
                feature = torch.cat((skips.pop(), F.interpolate(feature, scale_factor=2.0)), dim=1)
        for layer in self.last:
            feature = _activate(layer(feature))
        return feature


def _activate(feature: Tensor) -> Tensor:
    """LeakyReLU in place: neither its own gradient nor that of the convolution before needs what was there."""
    return F.leaky_relu(feature, NEGATIVE_SLOPE, inplace=True)


def small_convolution(dims: int, inputs: int, *, deviation: float = 1e-5, bias: float = 0.0) -> nn.Conv2d | nn.Conv3d:
    """The last layer, one channel an axis, whose weights ~ N(0, deviation) start the field near ``bias``."""
    layer = convolution(dims, inputs, dims)
    nn.init.normal_(layer.weight, std=deviation)
    nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
    return layer
