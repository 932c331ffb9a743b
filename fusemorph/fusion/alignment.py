"""What a coarse-to-fine decoder knows on its way: the pair on the stage's grid, and the velocity so far.

Residual velocities are added on one grid, so that the network ends with one stationary velocity: its regularity, its
Kullback-Leibler term and instance optimisation mean what they mean after direct decoding.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.integrate import exponential, resize_displacement
from fusemorph.networks.blocks import downsample
from fusemorph.networks.registration import Coarser
from fusemorph.warp import warp

SQUARINGS = 5
"""For the warps between stages, whose velocities are small in voxels of their coarse grids."""


class Alignment:
    """The alignment of a pair so far, brought from grid to finer grid by ``enter`` and improved by ``add``.

    Before the first ``enter`` nothing is warped, as in direct decoding. The images may have further channels, as of a
    segmentation, which are carried along.
    """

    def __init__(self, fixed: Float[Tensor, "b n *s"], moving: Float[Tensor, "b n *s"]) -> None:
        self._pyramid = [(fixed, moving)]
        self._displacement: Tensor | None = None
        self.fixed, self.moving = fixed, moving
        self.velocity: Tensor | None = None
        self.coarser: tuple[Coarser, ...] = ()

    def enter(self, halvings: int) -> None:
        """Go to the grid of the images halved so often."""
        while len(self._pyramid) <= halvings:
            fixed, moving = self._pyramid[-1]
            self._pyramid.append((downsample(fixed), downsample(moving)))
        self.fixed, self.moving = self._pyramid[halvings]
        if self.velocity is not None:
            self.velocity = resize_displacement(self.velocity, self.fixed.shape[2:])
            self._displacement = exponential(self.velocity, steps=SQUARINGS)

    def warp(self, moving: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """A feature of the moving image on this grid, warped by the alignment so far."""
        if self._displacement is None:
            return moving
        return warp(moving, self._displacement).to(moving.dtype)

    def add(self, residual: Float[Tensor, "b d *s"], *, remember: bool = False) -> Tensor:
        """The velocity with what a stage adds to it; ``remember`` keeps it for the loss."""
        self.velocity = residual if self.velocity is None else self.velocity + residual
        if remember:
            self.coarser = (Coarser(self.fixed[:, :1], self.moving[:, :1], self.velocity), *self.coarser)
        return self.velocity


def swap(images: Float[Tensor, "b2 c *s"]) -> Float[Tensor, "b2 c *s"]:
    """The two halves of a batch in the other order."""
    return torch.cat(tuple(reversed(images.chunk(2))))
