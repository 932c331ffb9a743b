"""Overlap of labels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Integer


def dice_per_label(
    fixed_labels: Integer[np.ndarray, "*s"],
    warped_labels: Integer[np.ndarray, "*s"],
    *,
    moving_labels: Integer[np.ndarray, "*t"],
    labels: Sequence[int],
) -> Float64[np.ndarray, " n"]:
    r"""Dice of each of ``labels``, in their order; NaN where absent from the fixed or the original moving labels.

    $$ \mathrm{Dice}_k = \frac{2 |F_k \cap W_k|}{|F_k| + |W_k|} $$

    A label that is in both but vanished from ``warped_labels`` scores 0. A case's value is the mean without NaN.

    Raises:
        ValueError: a label is not positive, a map holds negative values, or fixed and warped differ in shape.

    Source: Learn2Reg's rule, Hering et al. 2022.
    """
    if fixed_labels.shape != warped_labels.shape:
        raise ValueError(
            f"dice_per_label(): 'warped_labels' must have the shape {fixed_labels.shape} of 'fixed_labels', "
            f"got {warped_labels.shape}"
        )
    wanted = _positive(labels)
    fixed, moving, warped, both = (
        _sizes(name, array, wanted)
        for name, array in (
            ("fixed_labels", fixed_labels),
            ("moving_labels", moving_labels),
            ("warped_labels", warped_labels),
            ("warped_labels", fixed_labels[fixed_labels == warped_labels]),
        )
    )
    return np.where((fixed > 0) & (moving > 0), 2.0 * both / np.maximum(fixed + warped, 1), np.nan)


def _positive(labels: Sequence[int]) -> np.ndarray:
    wanted = np.asarray(labels, dtype=np.int64)
    if wanted.size and wanted.min() < 1:
        raise ValueError(f"dice_per_label(): 'labels' must be positive, got {list(labels)}")
    return wanted


def _sizes(name: str, array: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Voxels of each wanted label, by one count over the map."""
    if array.size and array.min() < 0:
        raise ValueError(f"dice_per_label(): '{name}' must not hold negative labels, got {array.min()}")
    sizes: np.ndarray = np.bincount(array.ravel(), minlength=int(wanted.max(initial=0)) + 1)[wanted]
    return sizes
