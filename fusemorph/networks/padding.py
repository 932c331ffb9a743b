"""Padding to the sides that a five-resolution network can halve, and cropping back."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.bounds import SMALLEST_SIDE

MULTIPLE = 16
SMALLEST_LONGEST_SIDE = 32  # below it the coarsest stage is one voxel, which instance norm cannot normalise


def padded_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sides rounded up to multiples of 16, the longest to at least 32.

    Raises:
        ValueError: a side is under 8 voxels.
    """
    if min(shape) < SMALLEST_SIDE:
        raise ValueError(f"padded_shape(): 'shape' must have at least {SMALLEST_SIDE} voxels a side, got {shape}")
    sides = [-(-side // MULTIPLE) * MULTIPLE for side in shape]
    longest = sides.index(max(sides))
    sides[longest] = max(sides[longest], SMALLEST_LONGEST_SIDE)
    return tuple(sides)


def pad(image: Float[Tensor, "b c *s"], shape: tuple[int, ...]) -> Float[Tensor, "b c *t"]:
    """Centre the image in the shape, borders repeated: what ``warp`` assumes outside the image too."""
    margins = [margin for pair in reversed(_margins(tuple(image.shape[2:]), shape)) for margin in pair]
    return F.pad(image, margins, mode="replicate") if any(margins) else image


def crop(field: Float[Tensor, "b c *t"], shape: tuple[int, ...]) -> Float[Tensor, "b c *s"]:
    """Undo ``pad`` on a tensor over the padded grid."""
    margins = _margins(shape, tuple(field.shape[2:]))
    inside = (slice(before, before + side) for (before, _), side in zip(margins, shape, strict=True))
    return field[(slice(None), slice(None), *inside)]


def _margins(inner: tuple[int, ...], outer: tuple[int, ...]) -> list[tuple[int, int]]:
    spare = [o - i for i, o in zip(inner, outer, strict=True)]
    return [(n // 2, n - n // 2) for n in spare]
