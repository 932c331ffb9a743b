"""Overlap of label maps that gradients pass: soft Dice, and the focal loss beside it."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fusemorph.precision import full_precision

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2
LEAST_PROBABILITY = 1e-4
"""Warped label maps are 0 almost everywhere, where the logarithm must stay finite."""


def one_hot(labels: Int[Tensor, "b 1 *s"], label_ids: tuple[int, ...]) -> Float[Tensor, "b k *s"]:
    """A channel for each of the labels: 1 where the map holds it. The ids come from the data set, not from the map."""
    return torch.cat([labels == label for label in label_ids], dim=1).float()


@full_precision
def soft_dice(
    target: Float[Tensor, "b k *s"], predicted: Float[Tensor, "b k *s"], counted: Bool[Tensor, "b k"]
) -> Float[Tensor, " b"]:
    r"""One minus the mean soft Dice of each pair, over the classes that are ``counted``; 1 where none is.

    $$ 1 - \frac{1}{K} \sum_{k=1}^{K} \frac{2 \sum_x t_k(x) p_k(x)}{\sum_x t_k(x) + p_k(x)} $$

    Source: Balakrishnan et al. 2019, VoxelMorph, eq. 9.
    """
    overlap, size = (term.flatten(2).sum(2) for term in (target * predicted, target + predicted))
    score = torch.where(counted, 2 * overlap / size.clamp(min=1), 0)
    return 1 - score.sum(1) / counted.sum(1).clamp(min=1)


@full_precision
def focal(target: Float[Tensor, "b k *s"], predicted: Float[Tensor, "b k *s"]) -> Float[Tensor, " b"]:
    r"""Focal loss of each pair, the mean over voxels and classes, each class against all others.

    $$ -\alpha_t (1 - p_t)^\gamma \log p_t $$

    ``alpha`` is 0.25 and ``gamma`` 2, as in AutoFuse.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 5.
    """
    others = 1 - predicted
    of_class = FOCAL_ALPHA * target * others**FOCAL_GAMMA * predicted.clamp(min=LEAST_PROBABILITY).log()
    of_others = (1 - FOCAL_ALPHA) * (1 - target) * predicted**FOCAL_GAMMA * others.clamp(min=LEAST_PROBABILITY).log()
    return -(of_class + of_others).flatten(1).mean(1)
