"""Images and labels pulled back by a displacement, and displacements composed."""

from itertools import product

import numpy as np
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
    shape = labels.shape[2:]
    targets = _targets(displacement).unbind(dim=1)
    points = [target.clamp(0, side - 1) for target, side in zip(targets, shape, strict=True)]
    if mode == "nearest":
        return labels.flatten(1).gather(1, _flat_index([point.round() for point in points], shape)).view_as(labels)
    below = [point.floor().clamp(max=max(side - 2, 0)) for point, side in zip(points, shape, strict=True)]
    base, values = _flat_index(below, shape), labels.flatten(1)
    corners = list(product(*((0, 1) if side > 1 else (0,) for side in shape)))
    votes = torch.stack([values.gather(1, base + _flat_offset(corner, shape)) for corner in corners])
    # Away from label borders all corners agree; only the others need the count.
    mixed = (votes[1:] != votes[0]).any(dim=0)
    fractions = [(point - low).flatten(1)[mixed] for point, low in zip(points, below, strict=True)]
    winners = votes[0].clone()
    winners[mixed] = _majority(votes[:, mixed], torch.stack([_corner_weight(fractions, c) for c in corners]))
    return winners.view_as(labels)


def warp_moving_labels(
    labels: np.ndarray, displacement: Float[Tensor, "1 d *s"], *, mode: Mode = "linear"
) -> np.ndarray:
    """Labels (*s) warped as one-hot, linearly, then argmax: the way in which Dice is measured here.

    ``nearest``: as Learn2Reg's evaluation does, the label of the nearest voxel, and 0 where a point lies outside the
    grid.
    """
    if mode == "nearest":
        displacement = displacement.double()  # at the middle between two voxels float32 may choose the other one
    warped = warp_labels(torch.tensor(labels)[None, None], displacement, mode=mode)[0, 0]
    if mode == "nearest":
        ends = torch.tensor(labels.shape).view(-1, *[1] * labels.ndim) - 1
        places = _targets(displacement)[0]
        warped *= ((places >= 0) & (places <= ends)).all(dim=0)
    return warped.numpy()


def _targets(displacement: Tensor) -> Tensor:
    return displacement + identity_grid(displacement.shape[2:], device=displacement.device, dtype=displacement.dtype)


def _flat_index(points: list[Tensor], shape: torch.Size) -> Tensor:
    """Position in the flattened grid (b, n) of integer voxel coordinates, one tensor (b, *s) per axis."""
    flat = points[0].long()
    for point, side in zip(points[1:], shape[1:], strict=True):
        flat = flat * side + point.long()
    return flat.flatten(1)


def _flat_offset(corner: tuple[int, ...], shape: torch.Size) -> int:
    return sum(step * shape[axis + 1 :].numel() for axis, step in enumerate(corner))


def _corner_weight(fractions: list[Tensor], corner: tuple[int, ...]) -> Tensor:
    factors = [fraction if step else 1 - fraction for fraction, step in zip(fractions, corner, strict=True)]
    return torch.stack(factors).prod(dim=0)


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
