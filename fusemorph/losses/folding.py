"""Folding penalty on the Jacobian determinant."""

from jaxtyping import Float
from torch import Tensor

from fusemorph.jacobian import jacobian_determinant


def folding(displacement: Float[Tensor, "b d *s"]) -> Float[Tensor, ""]:
    r"""Sum over voxels of ``max(-det, 0)``, mean over the batch; 0 where nothing folds.

    $$ \sum_{x \in \Omega} \max(-\det J_\phi(x), 0) $$

    Raises:
        ValueError: as `fusemorph.jacobian.jacobian_determinant`.

    Source: Meng et al. 2025 (AutoFuse), its penalty of negative determinants.
    """
    return (-jacobian_determinant(displacement)).relu().sum() / displacement.shape[0]
