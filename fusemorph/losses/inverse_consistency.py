"""Inverse consistency of both directions of a pair, by the gradient of their composition."""

from jaxtyping import Float
from torch import Tensor

from fusemorph.losses.diffusion import diffusion
from fusemorph.precision import full_precision
from fusemorph.warp import compose


@full_precision
def inverse_consistency(displacement: Float[Tensor, "b d *s"]) -> Float[Tensor, ""]:
    r"""Mean over voxels of the squared norm of the gradient of the composition less the identity, both ways round.

    $$ \frac{1}{|\Omega|} \sum_{x \in \Omega} \| \nabla (\phi_{AB} \circ \phi_{BA})(x) - I \|_F^2 $$

    The second half of the batch registers the pairs of the first half the other way round; a composition that is a
    translation counts for nothing.

    Raises:
        ValueError: the batch is odd.

    Source: Tian et al. 2023 (GradICON), eq. 4, with finite differences on the voxel grid.
    """
    if len(displacement) % 2:
        raise ValueError(f"inverse_consistency(): 'displacement' must have an even batch, got {len(displacement)}")
    there, back = displacement.chunk(2)
    entries = displacement.shape[1] ** 2
    return entries * (diffusion(compose(there, back)) + diffusion(compose(back, there))) / 2
