"""Mutual information, for images whose intensities are related but not linearly."""

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.precision import full_precision


@full_precision
def mutual_information(
    fixed: Float[Tensor, "b c *s"],
    warped: Float[Tensor, "b c *s"],
    *,
    bins: int = 32,
    normalised: bool = False,
    mask: Float[Tensor, "b 1 *s"] | None = None,
) -> Float[Tensor, ""]:
    r"""Minus the mutual information (nats) of the intensities, mean over batch and channels; lower is more alike.

    $$ -\sum_{a,b} p_{fw}(a,b) \log \frac{p_{fw}(a,b)}{p_f(a) \, p_w(b)} $$

    The joint histogram has ``bins`` bins over each image's own range, smoothed by a linear window on ``fixed`` and a
    cubic B-spline on ``warped``; both are differentiable. ``normalised`` gives ``-(H(f) + H(w)) / H(f, w)``, from -2
    (alike) to -1 (independent, or flat), which depends less on the overlap. ``mask``: 1 where voxels count and 0
    elsewhere.

    Raises:
        ValueError: the shapes differ, or ``bins`` is under 4.

    Source: Mattes et al. 2003 (Parzen window); Studholme et al. 1999 (normalised).
    """
    if fixed.shape != warped.shape:
        raise ValueError(
            f"mutual_information(): 'warped' must have the shape {tuple(fixed.shape)} of 'fixed', "
            f"got {tuple(warped.shape)}"
        )
    if bins < 4:
        raise ValueError(f"mutual_information(): 'bins' must be 4 or more, got {bins}")
    if mask is not None:
        fixed, warped = fixed * mask, warped * mask
    counted = [None] * (fixed.shape[0] * fixed.shape[1])
    if mask is not None:
        counted = list(mask.expand_as(fixed).flatten(0, 1).flatten(1))
    pairs = zip(fixed.flatten(0, 1).flatten(1), warped.flatten(0, 1).flatten(1), counted, strict=True)
    losses = [_loss(_joint_histogram(f, w, bins, inside), normalised) for f, w, inside in pairs]
    return torch.stack(losses).mean().to(warped.dtype)


def _loss(joint: Tensor, normalised: bool) -> Tensor:
    of_fixed, of_warped, of_both = _entropy(joint.sum(dim=1)), _entropy(joint.sum(dim=0)), _entropy(joint)
    if not normalised:
        return of_both - of_fixed - of_warped
    # A pair of flat images has no entropy to divide by; it counts as independent.
    tiny = torch.finfo(joint.dtype).tiny
    return -(of_fixed + of_warped + tiny) / (of_both + tiny)


def _entropy(probability: Tensor) -> Tensor:
    return -torch.xlogy(probability, probability.clamp(min=torch.finfo(probability.dtype).tiny)).sum()


def _joint_histogram(fixed: Tensor, warped: Tensor, bins: int, counted: Tensor | None) -> Tensor:
    """Probabilities (bins, bins) from the few bins that each voxel touches; ``counted``: 1 for voxels that count."""
    row, row_weights = _linear_window(*_position(fixed, bins))
    if counted is not None:
        row_weights = [weight * counted for weight in row_weights]
    column, column_weights = _cubic_window(*_position(warped, bins))
    # Millions of small addends to a bin: float32 would lose them.
    joint = fixed.new_zeros(bins * bins, dtype=torch.float64)
    first = row * bins + column
    for i, row_weight in enumerate(row_weights):
        for j, column_weight in enumerate(column_weights):
            joint = joint.index_add(0, first + (i * bins + j), (row_weight * column_weight).double())
    return joint.view(bins, bins) / (fixed.numel() if counted is None else counted.sum().clamp(min=1))


def _position(image: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The bin of each voxel and its place in it, 0 to 1; a bin is left free below and two above, for the windows."""
    low, high = image.detach().aminmax()
    position = 1 + (image - low) * ((bins - 3) / (high - low).clamp(min=1e-6))
    floor = position.detach().floor().clamp(max=bins - 3)
    return floor.long(), position - floor


def _linear_window(middle: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
    """First bin touched and the weights of the two."""
    return middle, [1 - t, t]


def _cubic_window(middle: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
    """First bin touched and the cubic B-spline's weights of the four."""
    square, cube = t.square(), t.square() * t
    weights = [
        (1 - t).pow(3) / 6,
        (3 * cube - 6 * square + 4) / 6,
        (-3 * cube + 3 * square + 3 * t + 1) / 6,
        cube / 6,
    ]
    return middle - 1, weights
