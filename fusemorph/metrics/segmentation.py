"""Predicted label maps, and their overlap with the true ones."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Integer
from torch import Tensor

from fusemorph.metrics.dice import dice_per_label


def predicted_labels(logits: Float[Tensor, "1 k *s"], labels: Sequence[int]) -> Integer[np.ndarray, "*s"]:
    """The most likely label of each voxel, int16; ``labels`` are those of the classes after background."""
    ids = torch.tensor((0, *labels), dtype=torch.int16)
    return ids[logits[0].float().argmax(0).cpu()].numpy()


def segmentation_dice(
    true: Integer[np.ndarray, "*s"], predicted: Integer[np.ndarray, "*s"], *, labels: Sequence[int]
) -> Float64[np.ndarray, " n"]:
    """Dice of each of ``labels`` of a predicted label map against the true one; NaN where the true one lacks it.

    As MONAI's ``compute_dice`` with ``ignore_empty``.
    """
    return dice_per_label(true, predicted, moving_labels=true, labels=labels)
