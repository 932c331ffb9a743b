import pytest
import torch

from fusemorph.grid import identity_grid
from fusemorph.losses import diffusion


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)])
def test_a_linear_field_costs_the_mean_square_of_its_rates(spacing: tuple[float, ...] | None) -> None:
    rates = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    field = torch.einsum("ij,j...->i...", rates, identity_grid((24, 25, 26)))[None]
    assert diffusion(field, spacing=spacing).item() == pytest.approx(rates.square().mean().item(), rel=1e-3)


def test_rates_are_physical_where_the_spacing_is_given() -> None:
    field = torch.zeros(1, 2, 24, 24)
    field[:, 0] = identity_grid((24, 24))[1]  # 1 voxel of 3 mm, per voxel of 2 mm
    assert diffusion(field, spacing=(3.0, 2.0)).item() == pytest.approx((3 / 2) ** 2 / 4)


def test_a_shift_costs_nothing_and_gradients_are_exact() -> None:
    assert diffusion(torch.full((1, 3, 8, 8, 8), 2.5)).item() == 0
    field = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: diffusion(u, spacing=(1.0, 2.0)), field)


@pytest.mark.parametrize(
    ("shape", "spacing", "rule"),
    [
        ((1, 2, 8, 8, 8), None, r"'field' must have 3 channels .* got shape \(1, 2, 8, 8, 8\)"),
        ((1, 2, 8, 1), None, r"'field' must have 2 channels .* sides of 2 voxels or more"),
        ((1, 2, 8, 8), (1.0,), r"'spacing' must be 2 positive numbers, got \(1.0,\)"),
        ((1, 2, 8, 8), (1.0, 0.0), r"'spacing' must be 2 positive numbers, got \(1.0, 0.0\)"),
    ],
)
def test_errors_name_argument_and_rule(shape: tuple[int, ...], spacing: tuple[float, ...] | None, rule: str) -> None:
    with pytest.raises(ValueError, match=r"diffusion\(\): " + rule):
        diffusion(torch.zeros(shape), spacing=spacing)
