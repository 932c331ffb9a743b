"""Small slices of the pairs of a split for the report, far smaller than the images."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.data.dataset import Pair
from fusemorph.jacobian import jacobian_determinant
from fusemorph.method import image_tensor
from fusemorph.warp import warp, warp_moving_labels

Row = dict[str, Any]


def best_median_worst(scores: Sequence[float]) -> dict[str, int]:
    """Positions of the best, median and worst score; unknown scores count as the lowest."""
    order = np.argsort([-math.inf if math.isnan(score) else score for score in scores], kind="stable")
    return {"best": int(order[-1]), "median": int(order[len(order) // 2]), "worst": int(order[0])}


def slice_pair(pair: Pair, displacement: Float[Tensor, "1 d *s"]) -> tuple[dict[str, np.ndarray], Row]:
    """The plane through a pair that shows most of its foreground: images, labels, in-plane field, determinant."""
    axis, place = widest_plane(pair.foreground)
    determinant = jacobian_determinant(displacement)[0].numpy()
    warped = warp(image_tensor(pair.moving.image, torch.device("cpu")), displacement)[0, 0].numpy()
    images = {"fixed": pair.fixed.image, "moving": pair.moving.image, "warped": warped}
    drawn = {
        name: (255 * _plane(image, axis, place)).round().clip(0, 255).astype(np.uint8) for name, image in images.items()
    }
    if pair.fixed.labels is not None and pair.moving.labels is not None:
        maps = {"fixed": pair.fixed.labels, "moving": pair.moving.labels}
        maps["warped"] = warp_moving_labels(pair.moving.labels, displacement)
        drawn |= {f"{name}_labels": _plane(values, axis, place).astype(np.int16) for name, values in maps.items()}
    in_plane = [component.numpy() for along, component in enumerate(displacement[0]) if along != axis]
    drawn["displacement"] = np.stack([_plane(component, axis, place) for component in in_plane]).astype(np.float16)
    drawn["determinant"] = _plane(determinant, axis, place).astype(np.float16)
    return drawn, {"axis": axis, "slice": place}


def widest_plane(mask: np.ndarray) -> tuple[int | None, int | None]:
    """Axis and place of the plane with most foreground; None for an image that is a plane itself."""
    if mask.ndim == 2:
        return None, None
    areas = [mask.sum(axis=tuple(a for a in range(3) if a != along)) for along in range(3)]
    axis = int(np.argmax([area.max() for area in areas]))
    return axis, int(np.argmax(areas[axis]))


def _plane(volume: np.ndarray, axis: int | None, place: int | None) -> np.ndarray:
    return np.asarray(volume) if axis is None or place is None else np.take(volume, place, axis=axis)


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as a compressed npz without pickles."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
