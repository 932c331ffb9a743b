"""Mean squared difference of intensities."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.precision import full_precision


@full_precision
def mse(
    fixed: Float[Tensor, "b c *s"], warped: Float[Tensor, "b c *s"], *, mask: Float[Tensor, "b 1 *s"] | None = None
) -> Float[Tensor, ""]:
    r"""Mean squared difference, for images of one modality and one intensity scale.

    $$ \frac{1}{|\Omega|} \sum_{x \in \Omega} (f(x) - w(x))^2 $$

    ``mask``: 1 within \Omega and 0 outside; everything where it is None.

    Raises:
        ValueError: the shapes differ.
    """
    if fixed.shape != warped.shape:
        raise ValueError(
            f"mse(): 'warped' must have the shape {tuple(fixed.shape)} of 'fixed', got {tuple(warped.shape)}"
        )
    if mask is None:
        return F.mse_loss(warped, fixed)
    return F.mse_loss(warped * mask, fixed * mask) * (mask.numel() / mask.sum().clamp(min=1))
