import pytest
import torch

from fusemorph.grid import identity_grid
from fusemorph.losses import bending


@pytest.mark.parametrize("shape", [(12, 13), (12, 13, 14)])
def test_an_affine_field_costs_nothing(shape: tuple[int, ...]) -> None:
    rates = torch.randn(len(shape), len(shape), dtype=torch.float64)
    field = torch.einsum("ij,j...->i...", rates, identity_grid(shape, dtype=torch.float64))[None] + 3
    assert bending(field).item() == pytest.approx(0.0, abs=1e-20)


@pytest.mark.parametrize("axes", [(0, 0), (1, 1), (0, 1), (2, 1)])
def test_a_quadratic_field_costs_its_squared_second_derivatives(axes: tuple[int, int]) -> None:
    x = identity_grid((12, 13, 14), dtype=torch.float64)
    field = torch.zeros(1, 3, 12, 13, 14, dtype=torch.float64)
    field[:, 2] = x[axes[0]] * x[axes[1]]
    # One of 3 components and 9 pairs of axes: the second derivative is 2 on the diagonal, 1 twice off it.
    assert bending(field).item() == pytest.approx((4 if axes[0] == axes[1] else 2) / 27)


def test_derivatives_are_physical_where_the_spacing_is_given() -> None:
    field = torch.zeros(1, 2, 12, 12)
    field[:, 0] = identity_grid((12, 12)).prod(dim=0)
    expected = bending(field).item() * (3 / (3 * 2)) ** 2
    assert bending(field, spacing=(3.0, 2.0)).item() == pytest.approx(expected)


def test_gradients_are_exact() -> None:
    field = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bending, field)


def test_a_side_too_short_is_named() -> None:
    with pytest.raises(ValueError, match=r"bending\(\): 'field' must have .* sides of 3 voxels or more"):
        bending(torch.zeros(1, 2, 8, 2))
