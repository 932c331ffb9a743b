"""Slices of simulated heads with two structures, and the smooth fields that warp them."""

import numpy as np
from scipy import ndimage


def slices(shape: tuple[int, int], rng: np.random.Generator, *, still: bool) -> dict[str, np.ndarray]:
    """What ``pictures.npz`` holds; nothing moves where the field is ``still``."""
    pictures: dict[str, np.ndarray] = {}
    for rank in ("best", "median", "worst"):
        fixed, fixed_labels = _slice(shape, rng)
        moving, moving_labels = _slice(shape, rng)
        smooth = np.stack([ndimage.gaussian_filter(rng.normal(0, 30, shape), 6) for _ in shape])
        displacement = smooth * (not still)
        jacobian = (
            np.stack([np.stack(np.gradient(component)) for component in displacement]) + np.eye(2)[:, :, None, None]
        )
        determinant = jacobian[0, 0] * jacobian[1, 1] - jacobian[0, 1] * jacobian[1, 0]
        coordinates = np.indices(shape) + displacement
        warped = ndimage.map_coordinates(moving, coordinates, order=1, mode="nearest")
        warped_labels = ndimage.map_coordinates(moving_labels, coordinates, order=0, mode="nearest")
        images = {"fixed": fixed, "moving": moving, "warped": warped}
        maps = {"fixed_labels": fixed_labels, "moving_labels": moving_labels, "warped_labels": warped_labels}
        pictures |= {f"{rank}_{name}": image.astype(np.uint8) for name, image in images.items()}
        pictures |= {f"{rank}_{name}": labels.astype(np.int16) for name, labels in maps.items()}
        pictures[f"{rank}_displacement"] = displacement.astype(np.float16)
        pictures[f"{rank}_determinant"] = determinant.astype(np.float16)
    return pictures


def _slice(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices(shape) / np.array(shape)[:, None, None] - 0.5
    wobble = ndimage.gaussian_filter(rng.normal(0, 1, shape), 8) * 0.6
    head = (rows**2 + columns**2 / 1.3 + wobble * 0.1) < 0.16
    inner = (rows + 0.05) ** 2 * 3 + columns**2 + wobble * 0.05 < 0.04
    texture = ndimage.gaussian_filter(rng.normal(0, 60, shape), 1.5)
    image = np.clip(40 + 90 * head + 70 * inner + texture * head, 0, 255)
    return image, inner * np.where(columns > 0, 2, 1)
