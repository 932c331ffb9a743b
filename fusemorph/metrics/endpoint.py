"""Error of a displacement where the true one is known."""

from collections.abc import Sequence

import torch

from fusemorph.metrics.displacements import Array, foreground, single


def endpoint_error_mm(
    displacement: Array, true_displacement: Array, *, spacing_mm: Sequence[float], mask: Array
) -> float:
    r"""Mean distance between where the two displacements send a voxel, over the voxels of ``mask``; NaN if it is empty.

    $$ \frac{1}{|M|} \sum_{x \in M} \| S (u(x) - u^*(x)) \|_2, \quad S = \mathrm{diag}(\mathrm{spacing}) $$

    Both are (d, *s) or (1, d, *s), voxels; ``spacing_mm`` is in array order.

    Raises:
        ValueError: the shapes do not fit, or ``spacing_mm`` has not a value per axis.
    """
    predicted = single("endpoint_error_mm", displacement)
    true = single("endpoint_error_mm", true_displacement)
    if predicted.shape != true.shape:
        raise ValueError(
            f"endpoint_error_mm(): 'true_displacement' must have the shape {tuple(predicted.shape)} of 'displacement', "
            f"got {tuple(true.shape)}"
        )
    if len(spacing_mm) != predicted.shape[1]:
        raise ValueError(
            f"endpoint_error_mm(): 'spacing_mm' must have {predicted.shape[1]} values, got {tuple(spacing_mm)}"
        )
    inside = foreground("endpoint_error_mm", mask, predicted)
    spacing = torch.tensor(spacing_mm, dtype=torch.float64, device=predicted.device)
    errors_mm = (predicted[0] - true[0])[:, inside].double() * spacing[:, None]
    return float(errors_mm.norm(dim=0).mean()) if errors_mm.numel() else float("nan")
