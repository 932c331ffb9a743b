"""Soft Dice of labels: the supervised term of semi-supervised training."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fusemorph.precision import full_precision
from fusemorph.warp import warp


@full_precision
def dice(
    fixed_labels: Int[Tensor, "b 1 *s"], moving_labels: Int[Tensor, "b 1 *s"], displacement: Float[Tensor, "b d *s"]
) -> Float[Tensor, ""]:
    """One minus the mean soft Dice over the labels that both maps of a pair hold; 0 where no pair holds one.

    The moving labels are warped one-hot and linearly, so that the gradient reaches the displacement. 0 is background;
    a pair without labels comes as zeros and counts for nothing, so a batch may be labelled in part.

    Source: Balakrishnan et al. 2019, VoxelMorph, eq. 9.
    """
    labels = torch.unique(fixed_labels)
    labels = labels[labels != 0].view(1, -1, *([1] * displacement.shape[1]))
    if labels.numel() == 0:
        return displacement.sum() * 0
    fixed, moving = ((own == labels).float() for own in (fixed_labels, moving_labels))
    warped = warp(moving, displacement)
    overlap, size = (term.flatten(2).sum(2) for term in (fixed * warped, fixed + warped))
    shared = fixed.flatten(2).any(2) & moving.flatten(2).any(2)
    score = torch.where(shared, 2 * overlap / size.clamp(min=1), 0)
    return torch.where(shared.any(), 1 - score.sum() / shared.sum().clamp(min=1), 0 * score.sum())
