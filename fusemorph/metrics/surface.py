"""Distances between the surfaces of labels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Integer
from scipy import ndimage

DISTANCES = ("hd95_mm", "assd_mm", "hd95_vox")

Box = tuple[slice, ...]


def surface_distances(
    fixed_labels: Integer[np.ndarray, "*s"],
    warped_labels: Integer[np.ndarray, "*s"],
    *,
    moving_labels: Integer[np.ndarray, "*t"],
    labels: Sequence[int],
    spacing_mm: Sequence[float],
) -> dict[str, Float64[np.ndarray, " n"]]:
    """``hd95_mm``, ``assd_mm`` and ``hd95_vox`` of each of ``labels``, in their order.

    ``hd95`` is the larger of the two directed 95th percentiles, ``assd_mm`` the mean over both surfaces. A surface is
    made of the voxels that touch another label, or the outside, by a face. NaN where a label is absent from the fixed
    or the original moving labels; where it has vanished from the warped ones, the diagonal of the grid, corner to
    corner.

    Raises:
        ValueError: a label is not positive, fixed and warped differ in shape, or ``spacing_mm`` is not a positive value
            per axis.
    """
    _check(fixed_labels, warped_labels, labels, spacing_mm)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    span = np.array(fixed_labels.shape) - 1.0
    diagonal_mm, diagonal_vox = np.linalg.norm(span * spacing), np.linalg.norm(span)
    fixed_boxes, moving_boxes, warped_boxes = (
        _boxes(array, labels) for array in (fixed_labels, moving_labels, warped_labels)
    )
    rows = np.full((len(labels), len(DISTANCES)), np.nan)
    for row, label, fixed_box, moving_box, warped_box in zip(
        rows, labels, fixed_boxes, moving_boxes, warped_boxes, strict=True
    ):
        if fixed_box is None or moving_box is None:
            continue
        if warped_box is None:
            row[:] = diagonal_mm, diagonal_mm, diagonal_vox
            continue
        # Both surfaces lie inside the box, so distances within it are those of the whole grid.
        box = _union(fixed_box, warped_box)
        row[:] = _distances(fixed_labels[box] == label, warped_labels[box] == label, spacing)
    return dict(zip(DISTANCES, rows.T.copy(), strict=True))


def _distances(fixed: np.ndarray, warped: np.ndarray, spacing: np.ndarray) -> tuple[float, float, float]:
    fixed_surface, warped_surface = _surface(fixed), _surface(warped)
    in_mm = _directed(fixed_surface, warped_surface, spacing)
    hd95_mm = max(np.percentile(directed, 95) for directed in in_mm)
    if np.all(spacing == spacing[0]):
        hd95_vox = hd95_mm / spacing[0]
    else:
        in_voxels = _directed(fixed_surface, warped_surface, np.ones_like(spacing))
        hd95_vox = max(np.percentile(directed, 95) for directed in in_voxels)
    return hd95_mm, np.concatenate(in_mm).mean(), hd95_vox


def _directed(first: np.ndarray, second: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances from each surface voxel of the one to the nearest of the other, both ways."""
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing)
    return to_second[first], to_first[second]


def _surface(mask: np.ndarray) -> np.ndarray:
    """Voxels of the mask with a face neighbour, or the end of the grid, outside it."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    middle = (slice(1, -1),) * mask.ndim
    for axis in range(mask.ndim):
        for shifted in (slice(None, -2), slice(2, None)):
            inner &= padded[(*middle[:axis], shifted, *middle[axis + 1 :])]
    inner ^= mask
    return inner


def _boxes(array: np.ndarray, labels: Sequence[int]) -> list[Box | None]:
    boxes: Sequence[Box | None] = ndimage.find_objects(array, max_label=max(labels, default=0))
    return [boxes[label - 1] for label in labels]


def _union(first: Box, second: Box) -> Box:
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _check(fixed: np.ndarray, warped: np.ndarray, labels: Sequence[int], spacing_mm: Sequence[float]) -> None:
    if fixed.shape != warped.shape:
        raise ValueError(
            f"surface_distances(): 'warped_labels' must have the shape {fixed.shape} of 'fixed_labels', "
            f"got {warped.shape}"
        )
    if any(label < 1 for label in labels):
        raise ValueError(f"surface_distances(): 'labels' must be positive, got {list(labels)}")
    if len(spacing_mm) != fixed.ndim or min(spacing_mm) <= 0:
        raise ValueError(
            f"surface_distances(): 'spacing_mm' must be {fixed.ndim} positive numbers, got {tuple(spacing_mm)}"
        )
