"""VoxelMorph: a U-Net over the concatenated images, and a convolution for the displacement.

Source: Balakrishnan et al. 2019, VoxelMorph, IEEE TMI 38(8):1788. Written from the paper; the public code (MIT) was
read for the settings only.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.networks.unet import Decoder, Encoder, small_convolution


class VoxelMorph(PairNetwork):
    """Early fusion, full resolution, a plain displacement.

    ``encoder`` and ``decoder``: channels by layer, the decoder's from the coarsest resolution on; ``last``: those at
    full resolution.
    """

    def __init__(self, *, dims: int, encoder: Sequence[int], decoder: Sequence[int], last: Sequence[int]) -> None:
        super().__init__(dims=dims)
        self.encoder = Encoder(dims=dims, inputs=2, channels=encoder)
        skips = (2, *encoder[:-1])
        self.decoder = Decoder(dims=dims, inputs=encoder[-1], skips=skips, channels=decoder, last=last)
        self.displacement = small_convolution(dims, self.decoder.outputs)

    def align(
        self, fixed: Float[Tensor, "b 1 *s"], moving: Float[Tensor, "b 1 *s"], generator: torch.Generator | None
    ) -> Registration:
        feature = self.decoder(self.encoder(torch.cat((fixed, moving), dim=1)))
        return Registration(displacement=self.displacement(feature).float().contiguous())
