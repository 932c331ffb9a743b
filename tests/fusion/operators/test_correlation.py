"""The cost volume against its definition, values and gradients."""

from types import EllipsisType

import pytest
import torch
import torch.nn.functional as F

from fusemorph.fusion.operators.correlation import cost_channels, cost_volume


@pytest.mark.parametrize("shape", [(5, 4), (4, 5, 3)])
def test_each_channel_is_the_mean_product_at_its_offset(shape: tuple[int, ...]) -> None:
    fixed, moving = torch.randn(2, 2, 3, *shape, generator=torch.Generator().manual_seed(0))
    volume = cost_volume(fixed, moving)
    assert volume.shape == (2, cost_channels(len(shape)), *shape)
    centre = cost_channels(len(shape)) // 2
    torch.testing.assert_close(volume[:, centre], (fixed * moving).mean(1))
    # The last offset is one voxel on along every axis.
    beyond_first: tuple[slice | EllipsisType, ...] = (..., *(slice(1, None),) * len(shape))
    ahead = F.pad(moving, (0, 1) * len(shape))[beyond_first]
    torch.testing.assert_close(volume[:, -1], (fixed * ahead).mean(1))


def test_gradients_are_those_of_finite_differences() -> None:
    fixed, moving = torch.randn(2, 1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(cost_volume, (fixed.requires_grad_(), moving.requires_grad_()))
