"""Images and labels pulled back by a displacement, and displacements composed."""

from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fusemorph.grid import Mode, identity_grid, sample
from fusemorph.precision import full_precision


@full_precision
def warp(
    moving: Float[Tensor, "b c *s"], displacement: Float[Tensor, "b d *s"], *, mode: Mode = "linear"
) -> Float[Tensor, "b c *s"]:
    """Resample ``moving`` at ``x + u(x)``, the pull-back that aligns it with the fixed image.

    ``displacement[:, i]`` is in voxels along spatial axis ``i`` (array order). Samples outside take the border value.
    The result is float32 even under autocast (float64 where an input is).

    Raises:
        ValueError: ``displacement`` has not one channel per spatial axis.

    Source: Jaderberg et al. 2015, eq. 3.
    """
    _check_channels("warp", moving, displacement)
    return sample(moving, _targets(displacement), mode=mode)


@full_precision
def compose(first: Float[Tensor, "b d *s"], second: Float[Tensor, "b d *s"]) -> Float[Tensor, "b d *s"]:
    """Displacement of moving by ``second``, then by ``first``: ``second(x) + first(x + second(x))``.

    Warping by the result is warping by ``first``, then warping what came out by ``second``.

    Raises:
        ValueError: a displacement has not one channel per spatial axis.
    """
    _check_channels("compose", first, second)
    return second + warp(first, second)


@full_precision
def warp_labels(
    labels: Int[Tensor, "b 1 *s"], displacement: Float[Tensor, "b d *s"], *, mode: Mode = "linear"
) -> Int[Tensor, "b 1 *s"]:
    """Resample a label map at ``x + u(x)``; the result keeps the dtype of ``labels``.

    ``linear`` is the argmax of the linearly warped one-hot labels, the lowest label winning a tie. The 2^d voxels
    around a point vote with their interpolation weights, so the cost does not grow with the number of labels.

    Raises:
        ValueError: ``displacement`` has not one channel per spatial axis, or is not finite.
    """
    _check_channels("warp_labels", labels, displacement)
    if not torch.isfinite(displacement).all():
        raise ValueError("warp_labels(): 'displacement' must be finite, got NaN or infinity")
    last = torch.tensor(labels.shape[2:], device=labels.device).view(-1, *[1] * (labels.ndim - 2)) - 1
    points = torch.minimum(_targets(displacement).clamp_(min=0), last).flatten(2)
    if mode == "nearest":
        return _read(labels, points.round().long()).view_as(labels)
    below = points.floor().long()
    corners = [torch.tensor(corner, device=labels.device) for corner in product((0, 1), repeat=points.shape[1])]
    above = last.flatten(1)
    votes = torch.stack([_read(labels, torch.minimum(below + c.view(-1, 1), above)) for c in corners])
    winners = votes[0].clone()
    # Away from label borders all corners agree; only the others need the count.
    mixed = (votes != votes[0]).any(dim=0)
    fraction = (points - below).movedim(1, 0)[:, mixed]
    weights = torch.stack([_corner_weight(fraction, corner) for corner in corners])
    winners[mixed] = _majority(votes[:, mixed], weights)
    return winners.view_as(labels)


def _targets(displacement: Tensor) -> Tensor:
    return displacement + identity_grid(displacement.shape[2:], device=displacement.device, dtype=displacement.dtype)


def _read(labels: Tensor, index: Tensor) -> Tensor:
    """Labels (b, n) at integer voxel indices (b, d, n)."""
    flat = index[:, 0]
    for axis, side in enumerate(labels.shape[3:], start=1):
        flat = flat * side + index[:, axis]
    return labels.flatten(1).gather(1, flat)


def _corner_weight(fraction: Tensor, corner: Tensor) -> Tensor:
    return torch.where(corner.bool().view(-1, 1), fraction, 1 - fraction).prod(dim=0)


def _majority(votes: Tensor, weights: Tensor) -> Tensor:
    """The label with the largest sum of weights over the corners (first axis); the lowest one of a tie."""
    winners, best = votes[0], torch.full_like(weights[0], -1.0)
    for candidate in votes:
        score = torch.zeros_like(best)
        for vote, weight in zip(votes, weights, strict=True):
            score += weight * (vote == candidate)
        better = (score > best) | ((score == best) & (candidate < winners))
        winners, best = torch.where(better, candidate, winners), torch.where(better, score, best)
    return winners


def _check_channels(function: str, moving: Tensor, displacement: Tensor) -> None:
    axes = moving.ndim - 2
    if displacement.shape[1] != axes:
        raise ValueError(
            f"{function}(): 'displacement' must have {axes} channels for a {axes}-D image, "
            f"got shape {tuple(displacement.shape)}"
        )
