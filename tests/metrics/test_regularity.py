"""The test vectors of the regularity metrics: fields whose answer is known by hand."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from fusemorph.grid import identity_grid
from fusemorph.metrics import folding_fraction, ndv_fraction, sd_log_jacobian, sdlogj_l2r
from tests.affine_fields import AXES, AXIS_PAIRS, SHAPES, linear

Metric = Callable[[Tensor | np.ndarray], float]


def stretched(shape: tuple[int, ...], axis: int, factor: float) -> Tensor:
    matrix = torch.eye(len(shape))
    matrix[axis, axis] = factor
    return linear(shape, matrix)


def random_field(shape: tuple[int, ...], size: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(1, len(shape), *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("metric", [folding_fraction, ndv_fraction])
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_nothing_folds_at_rest_or_stretched_and_everything_in_a_mirror(
    shape: tuple[int, ...], axis: int, metric: Metric
) -> None:
    assert metric(stretched(shape, axis, 1.0)) == 0
    assert metric(stretched(shape, axis, 1.5)) == 0
    assert metric(stretched(shape, axis, -1.0)) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [folding_fraction, ndv_fraction, sd_log_jacobian, sdlogj_l2r])
@pytest.mark.parametrize(("shape", "pair"), AXIS_PAIRS)
def test_a_pure_shear_is_regular(shape: tuple[int, ...], pair: tuple[int, int], metric: Metric) -> None:
    matrix = torch.eye(len(shape))
    matrix[pair] = -1.5
    assert metric(linear(shape, matrix)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("side", [12, 24])
def test_only_the_volume_sees_a_slab_swap(side: int, dimensions: int, axis: int) -> None:
    if axis >= dimensions:
        axis = 0
    x = identity_grid((side,) * dimensions)[axis]
    displacement = torch.zeros(1, dimensions, *x.shape)
    displacement[:, axis] = 1 - 2 * (x % 2)
    assert folding_fraction(displacement) == 0
    assert ndv_fraction(displacement) == pytest.approx((side / 2) / (side - 1), abs=1e-6)


@pytest.mark.parametrize("shape", [(5, 6), (40, 5), (3, 4, 5), (36, 3, 4)])
def test_inverted_volume_equals_simplices_cut_one_by_one(shape: tuple[int, ...]) -> None:
    displacement = random_field(shape, 0.5)
    deformed = (displacement[0] + identity_grid(shape, dtype=torch.float64)).movedim(0, -1).numpy()
    axes = len(shape)
    inverted = 0.0
    for cube in product(*(range(side - 1) for side in shape)):
        corners = {
            offset: deformed[tuple(c + o for c, o in zip(cube, offset, strict=True))]
            for offset in product((0, 1), repeat=axes)
        }
        for parity in (0, 1):  # the two mirror ways to cut
            for simplex in simplices(axes, parity):
                at_rest = np.array([np.subtract(vertex, simplex[0]) for vertex in simplex[1:]])
                moved = np.array([corners[vertex] - corners[simplex[0]] for vertex in simplex[1:]])
                volume = np.linalg.det(moved) * np.sign(np.linalg.det(at_rest)) / (2 if axes == 2 else 6)
                inverted += 0.5 * max(-volume, 0)
    cubes = np.prod([side - 1 for side in shape])
    assert ndv_fraction(displacement) > 0.01
    assert ndv_fraction(displacement) == pytest.approx(inverted / cubes, rel=1e-10)


def simplices(axes: int, parity: int) -> list[list[tuple[int, ...]]]:
    """One way to cut the unit cube: a corner simplex at each vertex of one parity, in 3-D one more on the others."""
    cut = []
    for vertex in product((0, 1), repeat=axes):
        if axes == 3 and sum(vertex) % 2 == parity:
            neighbours = [tuple(v ^ (a == axis) for a, v in enumerate(vertex)) for axis in range(axes)]
            cut.append([vertex, *neighbours])
        if axes == 2 and vertex[0] ^ vertex[1] == parity:
            cut.append([vertex, (1 - vertex[0], vertex[1]), (vertex[0], 1 - vertex[1])])
    if axes == 3:
        cut.append([vertex for vertex in product((0, 1), repeat=3) if sum(vertex) % 2 != parity])
    return cut


@pytest.mark.parametrize("shape", SHAPES)
def test_only_interior_voxels_of_the_mask_count(shape: tuple[int, ...]) -> None:
    displacement = torch.zeros(1, len(shape), *shape)
    displacement[:, 0, 10:14] = -3 * torch.arange(4.0).view(-1, *[1] * (len(shape) - 1))
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[:9] = True
    assert folding_fraction(displacement) > 0
    assert folding_fraction(displacement, mask=mask) == 0
    assert ndv_fraction(displacement) > 0
    assert ndv_fraction(displacement, mask=mask) == 0
    mask[:] = False
    mask[11:13] = True
    assert folding_fraction(displacement, mask=mask.numpy()) == 1
    assert ndv_fraction(displacement, mask=mask.numpy()) > 1
    border = ~torch.nn.functional.pad(torch.ones([side - 2 for side in shape], dtype=torch.bool), [1, 1] * len(shape))
    assert np.isnan(folding_fraction(displacement, mask=border))
    assert np.isnan(sd_log_jacobian(displacement, mask=border))
    assert np.isnan(ndv_fraction(displacement, mask=torch.zeros(shape, dtype=torch.bool)))


def test_a_voxel_spacing_cancels_out() -> None:
    displacement = random_field((12, 13, 14), 0.4)[0].numpy()
    spacing = np.array([0.7, 2.0, 3.0])
    slopes = np.array([np.gradient(u * s, *spacing) for u, s in zip(displacement, spacing, strict=True)])
    in_mm = np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(3))[1:-1, 1:-1, 1:-1]
    assert 0 < folding_fraction(displacement) == (in_mm <= 0).mean()


@pytest.mark.parametrize("shape", SHAPES)
def test_spread_of_the_logarithm_is_over_positive_determinants(shape: tuple[int, ...]) -> None:
    displacement = random_field(shape, 0.5)
    slopes = np.array([np.gradient(component) for component in displacement[0].numpy()])
    determinants = np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(len(shape)))
    interior = determinants[(slice(1, -1),) * len(shape)]
    assert (interior <= 0).any()
    assert sd_log_jacobian(displacement) == pytest.approx(np.log(interior[interior > 0]).std())
    cropped = determinants[(slice(2, -2),) * len(shape)]
    assert sdlogj_l2r(displacement) == pytest.approx(np.log(np.clip(cropped + 3, 1e-9, 1e9)).std())


@pytest.mark.parametrize("metric", [folding_fraction, ndv_fraction, sd_log_jacobian, sdlogj_l2r])
def test_with_or_without_the_batch_axis_as_tensor_or_array(metric: Metric) -> None:
    for shape in SHAPES:
        displacement = random_field(shape, 0.5)
        forms = (displacement, displacement[0], displacement.numpy(), displacement[0].numpy())
        assert len({metric(form) for form in forms}) == 1


def test_errors_name_argument_and_rule() -> None:
    with pytest.raises(
        ValueError, match=r"folding_fraction\(\): 'displacement' must be .* got shape \(2, 3, 8, 8, 8\)"
    ):
        folding_fraction(torch.zeros(2, 3, 8, 8, 8))
    with pytest.raises(
        ValueError, match=r"ndv_fraction\(\): 'mask' must have the spatial shape \(8, 8\) .* got \(8, 9\)"
    ):
        ndv_fraction(torch.zeros(2, 8, 8), mask=torch.ones(8, 9))
