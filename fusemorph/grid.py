"""The sampling grid: the one place where coordinates are normalised and axes flipped."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from fusemorph.precision import full_precision

Mode = Literal["linear", "nearest"]


def identity_grid(
    shape: Sequence[int], *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "d *s"]:
    """Voxel coordinates of every voxel; channel ``i`` counts along spatial axis ``i`` (array order)."""
    axes = [torch.arange(side, device=device, dtype=dtype) for side in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def per_axis(values: Sequence[float] | Sequence[int], like: Tensor) -> Num[Tensor, " n"]:
    """A few numbers as a tensor of the kind of ``like``, filled on its device: a copy from the host would wait there
    for all that is queued."""
    return torch.stack([like.new_full((), value) for value in values])


@full_precision
def sample(
    image: Float[Tensor, "b c *s"], coordinates: Float[Tensor, "b d *t"], *, mode: Mode = "linear"
) -> Float[Tensor, "b c *t"]:
    """Read ``image`` at voxel ``coordinates``; points outside take the value of the nearest border voxel.

    ``coordinates[:, i]`` runs along spatial axis ``i`` of ``image``. The result is float32 (float64 where an input is).

    Raises:
        ValueError: ``coordinates`` has not one channel per spatial axis of ``image``, or ``mode`` is unknown.
    """
    shape = image.shape[2:]
    if coordinates.shape[1] != len(shape):
        raise ValueError(
            f"sample(): 'coordinates' must have {len(shape)} channels for a {len(shape)}-D image, "
            f"got shape {tuple(coordinates.shape)}"
        )
    if mode not in get_args(Mode):
        raise ValueError(f"sample(): 'mode' must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    dtype = torch.promote_types(image.dtype, coordinates.dtype)
    return F.grid_sample(
        image.to(dtype),
        _normalise(coordinates.to(dtype), shape),
        mode="bilinear" if mode == "linear" else "nearest",
        padding_mode="border",
        align_corners=True,
    )


def _normalise(coordinates: Tensor, shape: Sequence[int]) -> Tensor:
    """Voxels to [-1, 1] of ``grid_sample``, which wants the last array axis first and channels last."""
    last_axis_first = [
        coordinates[:, axis] * (2.0 / max(shape[axis] - 1, 1)) - 1.0 for axis in reversed(range(len(shape)))
    ]
    return torch.stack(last_axis_first, dim=-1)
