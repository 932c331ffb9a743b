"""Images whose texture is a function of the place in space, so that any grid can hold the same thing."""

import numpy as np


def texture(points_mm: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(points_mm, -1, 0) / 9
    return (100 * (2 + np.sin(x + 0.3 * y) + np.cos(1.1 * y - 0.5) * np.sin(z + 0.4 * x))).astype(np.float32)


def textured(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    return texture(np.moveaxis(np.indices((*shape, 1)[:3]), 0, -1) @ affine[:3, :3].T + affine[:3, 3]).reshape(shape)
