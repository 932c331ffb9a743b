from inspect import unwrap

import pytest
import torch

from fusemorph.losses import mse


def test_is_the_mean_of_squared_differences() -> None:
    fixed = torch.zeros(2, 1, 4, 4)
    warped = fixed.clone()
    warped[0, 0, 0, 0] = 4.0
    assert mse(fixed, warped).item() == pytest.approx(0.5)


def test_float32_under_autocast() -> None:
    image = torch.rand(1, 1, 8, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert mse(image, image + 1).dtype == torch.float32


def test_unlike_shapes_are_named() -> None:
    # Without the type check of the tests, which would find them first.
    with pytest.raises(ValueError, match=r"mse\(\): 'warped' must have the shape \(1, 1, 8, 8\) of 'fixed', got"):
        unwrap(mse)(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 9))
