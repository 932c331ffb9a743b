from typing import Literal

import pytest
import torch

from fusemorph.grid import identity_grid, sample

SHAPES = [(24, 26), (24, 25, 26)]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_channel_of_the_identity_counts_along_its_own_axis(shape: tuple[int, ...]) -> None:
    grid = identity_grid(shape)
    assert grid.shape == (len(shape), *shape)
    for axis, side in enumerate(shape):
        along = grid[axis].movedim(axis, 0).reshape(side, -1)
        assert torch.equal(along, torch.arange(float(side))[:, None].expand_as(along))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("shape", SHAPES)
def test_sampling_at_the_identity_returns_the_image(shape: tuple[int, ...], mode: Literal["linear", "nearest"]) -> None:
    image = torch.rand(2, 3, *shape, dtype=torch.float64)
    grid = identity_grid(shape, dtype=torch.float64).expand(2, -1, *shape)
    torch.testing.assert_close(sample(image, grid, mode=mode), image)


def test_points_may_lie_on_another_grid_and_read_what_is_there() -> None:
    image = torch.arange(24.0).view(1, 1, 2, 3, 4)
    points = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 2.5]]).T.view(1, 3, 2, 1, 1)
    assert sample(image, points).flatten().tolist() == pytest.approx([23.0, 6.5], abs=1e-5)


def test_points_outside_take_the_value_at_the_border() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    points = torch.tensor([[-5.0, 1.0], [99.0, 99.0]]).T.view(1, 2, 2, 1)
    assert sample(image, points).flatten().tolist() == pytest.approx([1.0, 8.0], abs=1e-5)


def test_an_axis_of_one_voxel_is_constant() -> None:
    image = torch.arange(4.0).view(1, 1, 1, 4)
    points = torch.tensor([[3.0, 1.5]]).T.view(1, 2, 1, 1)
    assert sample(image, points).item() == pytest.approx(1.5, abs=1e-5)


def test_half_precision_and_autocast_do_not_touch_coordinates() -> None:
    image = torch.rand(1, 1, 300, 24)
    grid = identity_grid((300, 24))[None] + 0.25
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped = sample(image.bfloat16(), grid)
    assert warped.dtype == torch.float32
    torch.testing.assert_close(warped, sample(image.bfloat16().float(), grid))


def test_wrong_number_of_channels_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"sample\(\): 'coordinates' must have 3 channels .* got shape \(1, 2, 8, 8, 8\)"
    ):
        sample(torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 2, 8, 8, 8))
