"""Bending energy: second derivatives of a displacement or velocity."""

from collections.abc import Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.losses.derivatives import spacing_of
from fusemorph.precision import full_precision


@full_precision
def bending(field: Float[Tensor, "b d *s"], *, spacing: Sequence[float] | None = None) -> Float[Tensor, ""]:
    r"""Mean over pairs of axes, components and voxels of the squared second differences of ``field`` (voxels).

    $$ \frac{1}{|\Omega|} \sum_{x \in \Omega} \sum_{j,k} \| \partial_j \partial_k u(x) \|^2 $$

    Mixed derivatives count twice, as in the thin-plate energy; an affine field costs nothing. With ``spacing`` (of the
    axes, array order) component ``i`` along axes ``j`` and ``k`` weighs ``spacing[i] / (spacing[j] * spacing[k])``.

    Raises:
        ValueError: not one channel or spacing per spatial axis, or a side under 3 voxels.

    Source: Rueckert et al. 1999, eq. 8.
    """
    sides = spacing_of("bending", field, spacing, shortest=3)
    slopes = [field.diff(dim=axis + 2) for axis in range(len(sides))]
    terms = []
    for first, second in product(range(len(sides)), repeat=2):
        if first <= second:
            weight = (sides / (sides[first] * sides[second])) ** 2 * (1 if first == second else 2)
            squared = slopes[first].diff(dim=second + 2).square()
            terms.append((squared.flatten(2).mean(dim=(0, 2)) * weight).mean())
    return torch.stack(terms).sum() / len(sides) ** 2
