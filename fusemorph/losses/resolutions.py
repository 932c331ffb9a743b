"""Similarity over several resolutions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.integrate import exponential
from fusemorph.losses.ncc import ncc
from fusemorph.precision import full_precision
from fusemorph.warp import warp

if TYPE_CHECKING:
    from fusemorph.networks.registration import Coarser


def ncc_at_levels(
    fixed: Float[Tensor, "b c *s"],
    warped: Float[Tensor, "b c *s"],
    *,
    window: int = 9,
    levels: int = 1,
    first: int = 0,
    textured: bool = False,
    mask: Float[Tensor, "b 1 *s"] | None = None,
) -> Float[Tensor, ""]:
    """Weighted sum of local NCC losses at several resolutions, within a ``mask`` where one is given.

    The images are compared as they are with ``window``, and after each of ``levels - 1`` halvings with a window smaller
    by 2 and half the weight. ``first``: how often they are halved before the first comparison, which has weight 1.

    Source: Mok and Chung 2020 (LapIRN), eq. 3.
    """
    loss = fixed.new_zeros(())
    if mask is not None:
        fixed, warped = fixed * mask, warped * mask
    for halvings in range(levels):
        if halvings >= first:
            weight = 0.5 ** (halvings - first)
            loss = loss + weight * ncc(fixed, warped, window=window - 2 * halvings, textured=textured, mask=mask)
        if halvings < levels - 1:
            fixed, warped = halve(fixed), halve(warped)
            mask = None if mask is None else (halve(mask) >= 0.5).to(mask.dtype)
    return loss


def coarser_ncc(
    coarser: "Sequence[Coarser]", *, window: int = 9, mask: Float[Tensor, "b 1 *s"] | None = None
) -> Float[Tensor, ""]:
    """Local NCC loss after each coarser stage of a coarse-to-fine network, finest first, each with half the weight of
    the one before; windows are smaller by 4 at 1/4 of the resolution and by 2 more at each halving, at least 3.
    ``mask``: of the fixed image at full resolution, read at the nearest voxel.

    Source: deep supervision as in Chen et al. 2024 (EOIR), with their weights 1/2, 1/4, 1/8 and windows 5, 3, 3.
    """
    loss = coarser[0].velocity.new_zeros(())
    for place, stage in enumerate(coarser):
        warped = warp(stage.moving, exponential(stage.velocity))
        inside = None if mask is None else F.interpolate(mask, stage.fixed.shape[2:], mode="nearest")
        similarity = ncc(stage.fixed, warped, window=max(3, window - 4 - 2 * place), mask=inside)
        loss = loss + 0.5 ** (place + 1) * similarity
    return loss


@full_precision
def halve(image: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *t"]:
    """Every second voxel of the mean over 3 voxels a side, of any shape; at the border of those truly there."""
    pool = F.avg_pool3d if image.dim() == 5 else F.avg_pool2d
    return pool(image, 3, stride=2, padding=1, count_include_pad=False)
