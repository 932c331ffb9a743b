"""From a stationary velocity to a displacement, and from one grid to another."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.grid import per_axis
from fusemorph.precision import full_precision
from fusemorph.warp import compose


@full_precision
def exponential(velocity: Float[Tensor, "b d *s"], *, steps: int = 7) -> Float[Tensor, "b d *s"]:
    """Integrate a stationary velocity (voxels) over unit time by scaling and squaring: ``exp(v) = exp(v / 2)^2``.

    ``steps`` squarings start from ``v / 2^steps``; ``steps=0`` returns the velocity itself.

    Raises:
        ValueError: ``steps`` is negative, or ``velocity`` has not one channel per spatial axis.

    Source: Arsigny et al. 2006; Dalca et al. 2019.
    """
    if steps < 0:
        raise ValueError(f"exponential(): 'steps' must be 0 or more, got {steps}")
    displacement = velocity / 2.0**steps
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement


@full_precision
def resize_displacement(displacement: Float[Tensor, "b d *s"], shape: Sequence[int]) -> Float[Tensor, "b d *t"]:
    """Bring a displacement to a grid of another ``shape``, its channels rescaled to the new voxels.

    Linear with aligned corners; channel ``i`` is multiplied by the ratio of the sides along axis ``i``, as AutoFuse
    multiplies by 2 when it doubles the grid.

    Raises:
        ValueError: ``shape`` has not one side per spatial axis.
    """
    old = displacement.shape[2:]
    if len(shape) != len(old):
        raise ValueError(
            f"resize_displacement(): 'shape' must have {len(old)} sides for a {len(old)}-D displacement, "
            f"got {tuple(shape)}"
        )
    if tuple(shape) == tuple(old):
        return displacement
    ratios = [new / side for new, side in zip(shape, old, strict=True)]
    scale = per_axis(ratios, displacement)
    mode = "trilinear" if len(old) == 3 else "bilinear"
    resized = F.interpolate(displacement, size=tuple(shape), mode=mode, align_corners=True)
    return resized * scale.view(-1, *[1] * len(old))
