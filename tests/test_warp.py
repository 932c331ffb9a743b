from itertools import product
from types import FunctionType

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from fusemorph.grid import identity_grid
from fusemorph.warp import compose, warp, warp_labels

SHAPES = [(24, 26), (24, 25, 26)]
AXES = [(shape, axis) for shape in SHAPES for axis in range(len(shape))]


def random_displacement(shape: tuple[int, ...], *, size: float, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(batch, len(shape), *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_unit_displacement_moves_its_own_axis_only(shape: tuple[int, ...], axis: int) -> None:
    image = torch.rand(1, 1, *shape)
    displacement = torch.zeros(1, len(shape), *shape)
    displacement[:, axis] = 1
    side = shape[axis]
    warped = warp(image, displacement)
    following = image.narrow(axis + 2, 1, side - 1)
    torch.testing.assert_close(warped.narrow(axis + 2, 0, side - 1), following, atol=1e-4, rtol=0)
    last = image.narrow(axis + 2, side - 1, 1)
    torch.testing.assert_close(warped.narrow(axis + 2, side - 1, 1), last, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_warp_equals_scipy(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    image = torch.rand(1, 1, *shape, dtype=torch.float64)
    displacement = random_displacement(shape, size=3.0)
    points = (identity_grid(shape, dtype=torch.float64) + displacement[0]).numpy()
    expected = ndimage.map_coordinates(image[0, 0].numpy(), points, order=1, mode="nearest")
    warped = warp(image.to(dtype), displacement.to(dtype))
    assert warped.dtype == dtype
    np.testing.assert_allclose(warped[0, 0].numpy(), expected, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_image_of_a_batch_takes_its_own_displacement_and_each_channel_the_same(shape: tuple[int, ...]) -> None:
    images = torch.rand(2, 3, *shape, dtype=torch.float64)
    displacement = random_displacement(shape, size=2.0, batch=2)
    together = warp(images, displacement)
    for i, c in product(range(2), range(3)):
        alone = warp(images[i : i + 1, c : c + 1], displacement[i : i + 1])
        torch.testing.assert_close(together[i, c], alone[0, 0])


@pytest.mark.parametrize("shape", SHAPES)
def test_composed_displacement_warps_as_one_after_the_other(shape: tuple[int, ...]) -> None:
    image = torch.rand(1, 1, *shape, dtype=torch.float64)
    # Whole voxels: interpolation does not blur, so the law is exact.
    first, second = (random_displacement(shape, size=2.0, seed=seed).round() for seed in (1, 2))
    in_two_steps = warp(warp(image, first), second)
    inside = identity_grid(shape) + second[0]
    kept = torch.stack([(inside[a] >= 0) & (inside[a] < side) for a, side in enumerate(shape)]).all(dim=0)
    in_one = warp(image, compose(first, second))
    torch.testing.assert_close(in_one[0, 0][kept], in_two_steps[0, 0][kept])
    assert not torch.allclose(warp(image, compose(second, first))[0, 0][kept], in_two_steps[0, 0][kept])


def test_composition_is_second_plus_first_read_where_second_points() -> None:
    x = identity_grid((24, 26), dtype=torch.float64)
    first = (0.1 * x)[None]
    second = torch.zeros_like(first)
    second[:, 0] = 2
    composed = compose(first, second)[0, :, :20]
    expected = second[0, :, :20] + 0.1 * (x + second[0])[:, :20]
    torch.testing.assert_close(composed, expected)


def one_hot_argmax(labels: Tensor, displacement: Tensor) -> Tensor:
    """The definition: each label as an image, interpolated corner by corner; ``argmax`` takes the first of equals."""
    shape = labels.shape[2:]
    points = displacement + identity_grid(shape, dtype=displacement.dtype)
    last = torch.tensor(shape).view(1, -1, *[1] * len(shape)) - 1
    points = torch.minimum(points.clamp(min=0), last)
    below = points.floor().long()
    values = sorted(labels.unique().tolist())
    scores = torch.zeros(labels.shape[0], len(values), *shape, dtype=displacement.dtype)
    for corner in product((0, 1), repeat=len(shape)):
        step = torch.tensor(corner).view(1, -1, *[1] * len(shape))
        fraction = points - below
        weight = torch.where(step.bool(), fraction, 1 - fraction).prod(dim=1)
        index = torch.minimum(below + step, last)
        for i in range(labels.shape[0]):
            found = labels[i, 0][tuple(index[i])]
            for row, value in enumerate(values):
                scores[i, row] += weight[i] * (found == value)
    return torch.tensor(values, dtype=labels.dtype)[scores.argmax(dim=1)][:, None]


@pytest.mark.parametrize("quantum", [0.0, 0.5, 0.25])
@pytest.mark.parametrize("shape", SHAPES)
def test_labels_are_the_argmax_of_warped_one_hot_labels(shape: tuple[int, ...], quantum: float) -> None:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 5, (2, 1, *shape), generator=generator, dtype=torch.int16) * 7
    displacement = random_displacement(shape, size=2.0, batch=2)
    if quantum:  # many exact ties
        displacement = (displacement / quantum).round() * quantum
    warped = warp_labels(labels, displacement)
    assert warped.dtype == torch.int16
    assert torch.equal(warped, one_hot_argmax(labels, displacement))


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_agree_with_warped_images_where_the_vote_is_clear(shape: tuple[int, ...]) -> None:
    labels = torch.randint(0, 4, (1, 1, *shape), generator=torch.Generator().manual_seed(4))
    displacement = random_displacement(shape, size=2.0).float()
    shares = warp(torch.cat([labels == label for label in range(4)], dim=1).float(), displacement)
    first, second = shares.topk(2, dim=1).values.unbind(dim=1)
    clear = first - second > 1e-3
    assert clear.float().mean() > 0.9
    assert torch.equal(warp_labels(labels, displacement)[:, 0][clear], shares.argmax(dim=1)[clear])


def test_the_lowest_label_wins_a_tie() -> None:
    displacement = torch.zeros(1, 2, 2, 2)
    displacement[:, 1, :, 0] = 0.5
    for labels in ([[3, 1], [3, 1]], [[1, 3], [1, 3]]):
        assert warp_labels(torch.tensor([[labels]]), displacement)[0, 0, 0, 0] == 1


def test_several_small_shares_outvote_the_nearest_voxel() -> None:
    labels = torch.tensor([[[[9, 2], [2, 4]]]])
    displacement = torch.zeros(1, 2, 2, 2)
    displacement[:, :, 0, 0] = 0.4  # 9 has .36, 2 has .24 twice, 4 has .16
    assert warp_labels(labels, displacement)[0, 0, 0, 0] == 2
    assert warp_labels(labels, displacement, mode="nearest")[0, 0, 0, 0] == 9


@pytest.mark.parametrize("shape", SHAPES)
def test_nearest_labels_equal_scipy(shape: tuple[int, ...]) -> None:
    labels = torch.randint(0, 9, (1, 1, *shape), generator=torch.Generator().manual_seed(5), dtype=torch.int16)
    displacement = random_displacement(shape, size=2.0)
    points = (identity_grid(shape, dtype=torch.float64) + displacement[0]).numpy()
    expected = ndimage.map_coordinates(labels[0, 0].numpy(), points, order=0, mode="nearest")
    np.testing.assert_array_equal(warp_labels(labels, displacement, mode="nearest")[0, 0].numpy(), expected)


def test_an_axis_of_one_voxel_keeps_its_labels() -> None:
    labels = torch.tensor([[[[1, 2, 3]]]])
    displacement = torch.zeros(1, 2, 1, 3)
    displacement[:, 0] = 0.7
    displacement[:, 1] = 1
    assert warp_labels(labels, displacement).flatten().tolist() == [2, 3, 3]


def test_warping_keeps_float32_under_autocast_and_passes_finite_gradients() -> None:
    displacement = torch.zeros(1, 3, 24, 24, 24).normal_(generator=torch.Generator().manual_seed(6)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped = warp(torch.rand(1, 1, 24, 24, 24), displacement)
    assert warped.dtype == torch.float32
    (gradient,) = torch.autograd.grad(warped.square().sum(), displacement)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("function", [warp, warp_labels])
def test_wrong_number_of_channels_is_named(function: FunctionType) -> None:
    image = torch.zeros(1, 1, 8, 8, 8) if function is warp else torch.zeros(1, 1, 8, 8, 8, dtype=torch.int16)
    rule = r"\(\): 'displacement' must have 3 channels for a 3-D image, got shape \(1, 2, 8, 8, 8\)"
    with pytest.raises(ValueError, match=function.__name__ + rule):
        function(image, torch.zeros(1, 2, 8, 8, 8))


def test_labels_refuse_a_displacement_that_is_not_finite() -> None:
    with pytest.raises(ValueError, match=r"warp_labels\(\): 'displacement' must be finite"):
        warp_labels(torch.zeros(1, 1, 8, 8, dtype=torch.int16), torch.full((1, 2, 8, 8), float("nan")))
