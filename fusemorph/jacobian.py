"""How a displacement changes volume: the Jacobian determinant of its deformation."""

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.precision import full_precision


@full_precision
def jacobian_determinant(displacement: Float[Tensor, "b d *s"]) -> Float[Tensor, "b *s"]:
    """Determinant of the Jacobian of ``x + u(x)``: 1 keeps volume, <= 0 folds.

    Central differences, one-sided at the border. ``displacement[:, i]`` is in voxels along spatial axis ``i``; the
    spacing of the voxels cancels out.

    Raises:
        ValueError: not 2-D or 3-D, not one channel per spatial axis, or a side under 2 voxels.
    """
    shape = displacement.shape[2:]
    if len(shape) not in (2, 3) or displacement.shape[1] != len(shape) or min(shape) < 2:
        raise ValueError(
            "jacobian_determinant(): 'displacement' must be (b, 2, i, j) or (b, 3, i, j, k) with sides of 2 voxels or "
            f"more, got shape {tuple(displacement.shape)}"
        )
    columns = [_derivative(displacement, axis).unbind(dim=1) for axis in range(len(shape))]
    # m[i][j] is the derivative of component i of the deformation along axis j.
    m = [[columns[j][i] + float(i == j) for j in range(len(shape))] for i in range(len(shape))]
    if len(shape) == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def _derivative(displacement: Tensor, axis: int) -> Tensor:
    dim, side = axis + 2, displacement.shape[axis + 2]
    first = displacement.narrow(dim, 1, 1) - displacement.narrow(dim, 0, 1)
    inner = (displacement.narrow(dim, 2, side - 2) - displacement.narrow(dim, 0, side - 2)) / 2
    last = displacement.narrow(dim, side - 1, 1) - displacement.narrow(dim, side - 2, 1)
    return torch.cat([first, inner, last], dim=dim)
