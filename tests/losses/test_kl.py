import numpy as np
import pytest
import torch

from fusemorph.grid import identity_grid
from fusemorph.losses import kl


def laplacian(shape: tuple[int, ...]) -> np.ndarray:
    """Dense Laplacian of the voxel grid: one row and column a voxel."""
    points = identity_grid(shape).flatten(1).T
    neighbours = (torch.cdist(points, points, p=1) == 1).double().numpy()
    return np.diag(neighbours.sum(axis=1)) - neighbours


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_equals_the_divergence_of_two_gaussians(shape: tuple[int, ...]) -> None:
    prior_lambda = 7.0
    velocity, log_variance = (torch.randn(1, len(shape), *shape, dtype=torch.float64) for _ in range(2))
    precision = prior_lambda * laplacian(shape)
    expected = 0.0
    for mean, spread in zip(velocity[0].flatten(1).numpy(), log_variance[0].flatten(1).numpy(), strict=True):
        trace = np.trace(precision @ np.diag(np.exp(spread)))
        expected += 0.5 * (trace - spread.sum() + mean @ precision @ mean)
    expected /= np.prod(shape)
    assert kl(velocity, log_variance, prior_lambda=prior_lambda).item() == pytest.approx(expected, rel=1e-10)


def test_is_the_mean_over_the_batch_in_float32_under_autocast() -> None:
    velocity, log_variance = torch.randn(2, 3, 8, 8, 8), torch.randn(2, 3, 8, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        together = kl(velocity, log_variance)
    assert together.dtype == torch.float32
    alone = torch.stack([kl(velocity[i : i + 1], log_variance[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone.mean())


def test_gradients_are_exact() -> None:
    fields = [torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(kl, fields)
