import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from fusemorph.affine import Model, affine_displacement, register_affine
from fusemorph.grid import identity_grid
from fusemorph.warp import warp
from tests.affine_fields import linear
from tests.textured_pair import endpoint_error, matrix, pair

SHAPES = [(32, 28), (28, 32, 24)]
MAPS = {
    "shift": {"shift": 3.0},
    "turn": {"degrees": 3.0},
    "scale": {"scale": 1.05},
    "all": {"shift": 3.0, "degrees": 3.0, "scale": 1.05},
    "far": {"shift": -5.0, "degrees": 12.0, "scale": 0.9},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MAPS)
def test_a_known_map_is_found(shape: tuple[int, ...], name: str) -> None:
    truth = matrix(shape, **MAPS[name])
    fixed, moving, mask = pair(shape, truth)
    found = register_affine(fixed, moving, spacing_mm=(1.0,) * len(shape))
    assert endpoint_error(affine_displacement(found, shape), truth, mask) < 0.1
    warped = warp(moving, affine_displacement(found, shape))
    assert (warped - fixed)[0, 0][mask].abs().mean() < 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_turn_of_unequal_voxels_stays_a_turn_in_millimetres(shape: tuple[int, ...]) -> None:
    truth = matrix(shape, degrees=8.0, shift=1.0, spacing_mm=1.7)
    fixed, moving, mask = pair(shape, truth, spacing_mm=1.7)
    spacing = [1.0] * (len(shape) - 1) + [1.7]
    found = register_affine(fixed, moving, spacing_mm=spacing, model="rigid")
    assert endpoint_error(affine_displacement(found, shape), truth, mask) < 0.1
    sides = torch.tensor(spacing, dtype=torch.float64)
    turn = found[:, :-1] * sides[:, None] / sides
    torch.testing.assert_close(turn @ turn.T, torch.eye(len(shape), dtype=torch.float64))


@pytest.mark.parametrize("model", get_args(Model))
def test_a_model_moves_in_its_own_ways_only(model: Model) -> None:
    shape = SHAPES[1]
    fixed, moving, _ = pair(shape, matrix(shape, **MAPS["all"]))
    linear_part = register_affine(fixed, moving, spacing_mm=(1.0,) * 3, model=model)[:, :3]
    assert torch.allclose(linear_part, torch.eye(3, dtype=torch.float64), atol=1e-9) == (model == "translation")
    assert (abs(linear_part.det() - 1) < 1e-9) == (model != "affine")


def test_contrast_and_brightness_do_not_matter_and_grids_may_differ() -> None:
    shape = SHAPES[1]
    truth = matrix(shape, **MAPS["all"])
    fixed, moving, mask = pair(shape, truth)
    found = register_affine(fixed, 40 * moving[..., 1:] + 7, spacing_mm=(1.0,) * 3)
    found[2, 3] += 1
    assert endpoint_error(affine_displacement(found, shape), truth, mask) < 0.1


def test_the_same_pair_gives_the_same_bits() -> None:
    fixed, moving, _ = pair(SHAPES[1], matrix(SHAPES[1], **MAPS["far"]))
    first, again = (register_affine(fixed, moving, spacing_mm=(1.0,) * 3) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("shape", SHAPES)
def test_displacement_of_a_matrix(shape: tuple[int, ...]) -> None:
    dims = len(shape)
    linear_part = torch.eye(dims, dtype=torch.float64) + 0.1 * torch.arange(dims * dims).view(dims, dims)
    rows = torch.cat([linear_part, torch.full((dims, 1), 2.5, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(affine_displacement(rows, shape), (linear(shape, linear_part) + 2.5).float())


def blob(*centre: float) -> Tensor:
    rows, columns = identity_grid((48, 48))
    return torch.exp(-((rows - centre[0]).square() + (columns - centre[1]).square()) / 16)[None, None]


def test_a_body_far_away_is_found() -> None:
    found = register_affine(blob(8, 10), blob(39, 37), spacing_mm=(1.0, 1.0), model="translation")
    assert found[:, 2].tolist() == pytest.approx([31.0, 27.0], abs=0.01)


def test_empty_margins_do_not_count() -> None:
    shape = SHAPES[1]
    truth = matrix(shape, shift=2.0)
    fixed, moving, _ = pair(shape, truth)
    # The same window of both, padded: edge upon edge would be the identity.
    window, padded = (..., *(slice(6, -6),) * 3), [torch.zeros_like(fixed), torch.zeros_like(moving)]
    for image, whole in zip(padded, (fixed, moving), strict=True):
        image[window] = whole[window]
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[window] = True
    found = register_affine(*padded, spacing_mm=(1.0,) * 3)
    assert endpoint_error(affine_displacement(found, shape), truth, mask) < 0.2


def test_a_moving_image_that_shows_nothing_in_the_field_of_view_is_said() -> None:
    body = torch.zeros(1, 1, 48, 48)
    body[..., 20:28, 20:28] = torch.rand(8, 8)
    far = torch.zeros(1, 1, 48, 48)
    far[..., :4, :4] = far[..., -4:, -4:] = 1
    with pytest.raises(ValueError, match=r"nothing of it in the fixed image's field of view .*no overlap"):
        register_affine(body, far, spacing_mm=(1.0, 1.0))
    with pytest.raises(ValueError, match=r"nothing of it in the fixed image's field of view .*correlation -"):
        register_affine(RAMP, RAMP.flip(2, 3), spacing_mm=(1.0, 1.0), model="translation")


BLANK = torch.zeros(1, 1, 20, 20)
NAN = torch.full((1, 1, 20, 20), math.nan)
RAMP = torch.arange(400.0).view(1, 1, 20, 20)


@pytest.mark.parametrize(
    ("moving", "settings", "message"),
    [
        (BLANK, {}, "'moving' must not be constant, got 0 everywhere"),
        (NAN, {}, "'moving' must be finite"),
        (RAMP, {"spacing_mm": (1.0,)}, "'spacing_mm' must be 2 positive numbers"),
        (RAMP, {"spacing_mm": (1.0, 0.0)}, "'spacing_mm' must be 2 positive numbers"),
        (RAMP, {"starts": ()}, "'starts' must be among"),
        (RAMP[..., None], {}, "'moving' must be 2-D as 'fixed'"),
    ],
)
def test_what_cannot_be_registered_is_named(moving: Tensor, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        register_affine(RAMP, moving, **({"spacing_mm": (1.0, 1.0)} | settings))


def test_a_matrix_of_another_size_is_named() -> None:
    with pytest.raises(ValueError, match=r"'matrix' must be 3 x 4 for a 3-D grid, got shape \(2, 3\)"):
        affine_displacement(torch.zeros(2, 3), (8, 8, 8))
