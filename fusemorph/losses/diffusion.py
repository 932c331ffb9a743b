"""Diffusion regulariser: first derivatives of a displacement or velocity."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.losses.derivatives import spacing_of
from fusemorph.precision import full_precision


@full_precision
def diffusion(field: Float[Tensor, "b d *s"], *, spacing: Sequence[float] | None = None) -> Float[Tensor, ""]:
    r"""Mean over axes, components and voxels of the squared forward differences of ``field`` (voxels).

    $$ \frac{1}{|\Omega|} \sum_{x \in \Omega} \| \nabla u(x) \|^2 $$

    With ``spacing`` (of the axes, array order) the derivatives are of the field in physical units: component ``i``
    along axis ``j`` weighs ``spacing[i] / spacing[j]``, so that isotropic grids of any spacing give the same value.

    Raises:
        ValueError: not one channel or spacing per spatial axis, or a side under 2 voxels.

    Source: Balakrishnan et al. 2019, eq. 5, with their means over axes and components.
    """
    sides = spacing_of("diffusion", field, spacing, shortest=2)
    terms = [
        (field.diff(dim=axis + 2).square().flatten(2).mean(dim=(0, 2)) * (sides / sides[axis]) ** 2).mean()
        for axis in range(len(sides))
    ]
    return torch.stack(terms).mean()
