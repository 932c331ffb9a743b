"""Inverse consistency: zero for inverses and translations, the squared gradient norm of a known composition."""

import pytest
import torch

from fusemorph.grid import identity_grid
from fusemorph.integrate import exponential
from fusemorph.losses import inverse_consistency


def smooth_velocity() -> torch.Tensor:
    x = identity_grid((24, 32))
    return torch.stack((torch.sin(x[1] / 5), torch.cos(x[0] / 4)))[None]


def test_a_flow_and_its_inverse_cost_next_to_nothing() -> None:
    velocity = smooth_velocity()
    consistent = torch.cat((exponential(velocity), exponential(-velocity)))
    same_way = torch.cat((exponential(velocity), exponential(velocity)))
    assert float(inverse_consistency(consistent)) < 0.02 * float(inverse_consistency(same_way))


def test_translations_cost_nothing() -> None:
    assert float(inverse_consistency(torch.full((2, 3, 6, 7, 8), 1.5))) == 0


def test_a_stretch_costs_its_squared_gradient() -> None:
    """First axis stretched by 0.1 one way, nothing the other: the composition has the gradient 0.1 in one entry."""
    x = identity_grid((20, 20))
    stretch = torch.stack((0.1 * x[0], torch.zeros_like(x[0])))[None]
    found = inverse_consistency(torch.cat((stretch, torch.zeros_like(stretch))))
    assert float(found) == pytest.approx(0.01, rel=1e-4)


def test_an_odd_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inverse_consistency\(\): 'displacement' must have an even batch, got 1"):
        inverse_consistency(torch.zeros(1, 2, 8, 8))
