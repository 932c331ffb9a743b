"""What the joint path reads again at a stage of a coarse-to-fine decoder: both images, moving warped so far."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.networks.blocks import ConvUnit


class Rereading(nn.Module):
    """A convolution unit over the joint feature, fixed and warped moving on the stage's grid.

    ``images``: the channels of both together, with what was segmented in them.
    Without it the joint path never sees what the coarser stages have aligned.
    """

    def __init__(self, *, dims: int, channels: int, images: int = 2) -> None:
        super().__init__()
        self.unit = ConvUnit(dims, channels + images, channels)

    def forward(
        self, joint: Float[Tensor, "b c *s"], fixed: Float[Tensor, "b n *s"], warped: Float[Tensor, "b n *s"]
    ) -> Float[Tensor, "b c *s"]:
        images = torch.cat((fixed, warped), dim=1).to(joint.dtype)
        return self.unit(torch.cat((joint, images), dim=1))  # type: ignore[no-any-return]
