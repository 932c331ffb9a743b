"""What registration networks of any inside share: pairs are checked, padded to sides that halve, and cropped back."""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.networks.padding import crop, pad, padded_shape
from fusemorph.networks.registration import Registration


class PairNetwork(nn.Module, ABC):
    """A network for pairs of any shape from 8 voxels a side; ``align`` sees sides that are multiples of 16.

    ``inputs``: channels of an image that it reads; a second one is a label map that it is given.
    """

    inputs = 1

    def __init__(self, *, dims: int) -> None:
        super().__init__()
        self.dims = dims

    @abstractmethod
    def align(
        self, fixed: Float[Tensor, "b n *s"], moving: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """Predict the transformation on the padded grid."""

    def forward(
        self,
        fixed: Float[Tensor, "b n *s"],
        moving: Float[Tensor, "b n *s"],
        *,
        generator: torch.Generator | None = None,
    ) -> Registration:
        """Predict the displacement that aligns moving with fixed; random only with a ``generator``, as in training.

        Raises:
            ValueError: shapes differ, have another number of axes than the network, or a side is under 8 voxels.
        """
        self._require_pair(fixed, moving)
        shape = tuple(fixed.shape[2:])
        inner = padded_shape(shape)
        registration = self.align(pad(fixed, inner), pad(moving, inner), generator)
        return _cropped(registration, shape)

    def both_directions(
        self,
        first: Float[Tensor, "b n *s"],
        second: Float[Tensor, "b n *s"],
        *,
        generator: torch.Generator | None = None,
    ) -> Registration:
        """Register ``second`` to ``first`` and, in the second half of the batch, ``first`` to ``second``.

        Raises:
            ValueError: as ``forward``.
        """
        self._require_pair(first, second)
        shape = tuple(first.shape[2:])
        inner = padded_shape(shape)
        registration = self.align_both(pad(first, inner), pad(second, inner), generator)
        return replace(_cropped(registration, shape), both_directions=True)

    def align_both(
        self, first: Float[Tensor, "b n *s"], second: Float[Tensor, "b n *s"], generator: torch.Generator | None
    ) -> Registration:
        """``align`` both ways; a network that can computes once what depends on one image alone."""
        return self.align(torch.cat((first, second)), torch.cat((second, first)), generator)

    def _require_pair(self, fixed: Tensor, moving: Tensor) -> None:
        if fixed.shape != moving.shape or fixed.dim() != self.dims + 2 or not 1 <= fixed.shape[1] <= self.inputs:
            got = f"{tuple(fixed.shape)} and {tuple(moving.shape)}"
            raise ValueError(
                f"{type(self).__name__}(): 'fixed' and 'moving' must both be (b, {self.inputs}, *s) with {self.dims} "
                f"spatial axes, got {got}"
            )


def _cropped(registration: Registration, shape: tuple[int, ...]) -> Registration:
    """What lies on the images' grid, without the margins of the padded one."""
    displacement = crop(registration.displacement, shape)
    if registration.segmentation is None:
        return replace(registration, displacement=displacement)
    fixed, moving = (crop(logits, shape) for logits in registration.segmentation)
    return replace(registration, displacement=displacement, segmentation=(fixed, moving))
