"""Kullback-Leibler divergence of the velocity's posterior from its smooth prior."""

import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.precision import full_precision


@full_precision
def kl(
    velocity: Float[Tensor, "b d *s"], log_variance: Float[Tensor, "b d *s"], *, prior_lambda: float = 50.0
) -> Float[Tensor, ""]:
    r"""KL divergence per voxel of ``N(velocity, exp(log_variance))`` from the prior ``N(0, (lambda L)^-1)``.

    $$ \frac{1}{2 |\Omega|} \left( \mathrm{tr}(\lambda D \Sigma) - \log |\Sigma| + \lambda \, \mu^T L \mu \right) +
    \mathrm{const} $$

    ``L = D - A`` is the Laplacian of the voxel grid (neighbours along the axes), ``D`` the number of neighbours, fewer
    at the border: ``1/2 [lambda D s2 - log s2 + lambda * sum of squared differences over edges]``, summed over
    components, divided by the number of voxels and of images; a constant is left out.

    Source: Dalca et al. 2019 (Medical Image Analysis 57), eq. 9 with its prior precision.
    """
    batch, _, *shape = velocity.shape
    degree = _neighbours(shape, velocity)
    spread = (prior_lambda * degree * log_variance.exp() - log_variance).sum()
    roughness = torch.stack([velocity.diff(dim=axis).square().sum() for axis in range(2, velocity.ndim)]).sum()
    return 0.5 * (spread + prior_lambda * roughness) / (batch * degree.numel())


def _neighbours(shape: list[int], like: Tensor) -> Tensor:
    degree = like.new_zeros(shape)
    for axis, side in enumerate(shape):
        along = like.new_full((side,), 2.0)
        along[0] -= 1
        along[-1] -= 1
        degree += along.view(-1, *[1] * (len(shape) - 1 - axis))
    return degree
