"""From NIfTI files to arrays on a common grid: checked, canonical, resampled, normalised, cropped or padded."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from scipy import ndimage

from fusemorph.bounds import SMALLEST_SIDE, grid_problem, sides
from fusemorph.data.errors import DataError
from fusemorph.data.header import Header, farthest_mm
from fusemorph.data.nifti import Place, by_rule, read_nifti

VERSION = 1
"""Counts changes of the arrays made here: caches and fingerprints follow it."""

MOST_LABEL = 32767
ROUNDING = 1e-3
BEYOND_ALL_GRIDS = 2.0**31
FEW = 1e-4
"""The share of its voxels that says nothing about where an image is empty; one voxel never does."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """An array in canonical (RAS) order with its map from voxels to millimetres."""

    path: Path
    array: np.ndarray
    affine: np.ndarray
    spacing_mm: tuple[float, ...]
    header: Header | None = None
    """That of the file that the array was read from."""
    notes: tuple[str, ...] = ()
    """What was done to its values, where that is worth knowing."""


def read_volume(path: Path, *, place: Place = by_rule, frame: int | None = None) -> Volume:
    """Read a NIfTI file in canonical orientation; a single slice becomes a 2-D array with a 3x3 affine.

    ``place`` may refuse a header, or change where it says that the image lies. ``frame``: of a 4-D series, from 0.

    Raises:
        DataError: of ``read_nifti`` or ``place``; not plain numbers.
        StorageError: too many files are open.
    """
    header, array = read_nifti(path, frame=frame)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: must hold plain numbers, got {array.dtype}")
    return canonical(place(header), array)


def canonical(header: Header, array: np.ndarray) -> Volume:
    """An array as stored, turned to the orientation nearest RAS."""
    orientation, affine, axes = orient(header)
    turned = apply_orientation(array if array.ndim == 3 else array[..., None], orientation)
    keep = [*axes, 3]
    return Volume(
        path=header.path,
        array=turned.reshape([turned.shape[axis] for axis in axes]),
        affine=affine[np.ix_(keep, keep)],
        spacing_mm=tuple(np.linalg.norm(affine[:3, :3], axis=0)[axes].tolist()),
        header=header,
    )


def orient(header: Header) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """How an image is turned to the orientation nearest RAS: nibabel's orientation, the affine after it, the axes kept.

    The slice axis of a 2-D image goes; its plane keeps true spacing even where it lies oblique.
    """
    sides = (*header.shape, 1)[:3]
    orientation = io_orientation(header.affine)
    affine = header.affine @ inv_ornt_aff(orientation, sides)
    long = [int(orientation[axis, 0]) for axis in range(3) if sides[axis] > 1]
    return orientation, affine, sorted(long) if len(long) == 2 else [0, 1, 2]


def read_image(
    path: Path,
    *,
    dimensions: int = 3,
    smallest_side: int | Sequence[int] = SMALLEST_SIDE,
    place: Place = by_rule,
    frame: int | None = None,
) -> Volume:
    """An intensity image as float32; ``smallest_side`` may differ by axis, as where slices are few.

    Raises:
        DataError: of ``read_volume``; not ``dimensions``-D; of fewer than ``smallest_side`` voxels along an axis; NaN,
            infinite, beyond float32 or constant.
    """
    volume = read_volume(path, place=place, frame=frame)
    if volume.array.ndim != dimensions:
        raise DataError(f"{path}: must be {dimensions}-D, got shape {volume.array.shape}")
    least = np.broadcast_to(smallest_side, volume.array.ndim).tolist()
    if short := [limit for limit, side in zip(least, volume.array.shape, strict=True) if side < limit]:
        raise DataError(f"{path}: must have {short[0]} voxels or more a side, got shape {volume.array.shape}")
    return replace(volume, array=_as_float32(volume.array, path))


def _as_float32(array: np.ndarray, path: Path) -> np.ndarray:
    if lost := int((~np.isfinite(array)).sum()):
        raise DataError(f"{path}: must be finite, got {lost} NaN or infinite voxels")
    with np.errstate(over="ignore", invalid="ignore"):
        image = array.astype(np.float32)
        low, high = image.min(), image.max()
        if not np.isfinite(high - low):
            raise DataError(f"{path}: must lie in the range of float32, got {array.min():g} to {array.max():g}")
    if low == high:
        raise DataError(f"{path}: must not be constant, got {float(low):g} everywhere")
    return image


def read_labels(
    path: Path,
    *,
    image: Volume,
    allowed: Collection[int] | None = None,
    place: Place = by_rule,
    frame: int | None = None,
) -> Volume:
    """The label map of ``image`` as int16; ``allowed`` lists the labels that may stand beside 0.

    Values up to 0.001 away from whole numbers, as resampling and scaling leave them, are rounded, with a note.

    Raises:
        DataError: of ``read_volume``; a grid unlike the image's; values that are not whole numbers from 0 to 32767.
    """
    volume = read_volume(path, place=place, frame=frame)
    if volume.array.shape != image.array.shape:
        unlike = f"{volume.array.shape} is unlike {image.array.shape}"
        raise DataError(f"{path}: label grid {unlike} of {image.path}")
    away_mm = farthest_mm(volume.affine, image.affine, volume.array.shape)
    if away_mm > 0.1 * min(image.spacing_mm):
        raise DataError(f"{path}: label grid is unlike the one of {image.path}: corners lie {away_mm:.3g} mm apart")
    array, notes = _whole(volume.array, path)
    if allowed is not None and (beyond := set(np.unique(array).tolist()) - {0, *allowed}):
        raise DataError(f"{path}: labels must be among {[0, *allowed]}, got {sorted(beyond)} as well")
    return replace(image, path=path, array=array, header=volume.header, notes=notes)


def _whole(array: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    whole = array if array.dtype.kind in "bui" else np.rint(array)
    wrong = ~np.isfinite(array) | (whole < 0) | (whole > MOST_LABEL)
    if whole is not array:
        with np.errstate(invalid="ignore"):
            wrong |= ~(np.abs(array - whole) <= ROUNDING)
    if wrong.any():
        value = array[wrong][0]
        digits = int(value) if float(value).is_integer() and abs(float(value)) <= 2**64 else f"{value:.9g}"
        raise DataError(f"{path}: labels must be whole numbers from 0 to {MOST_LABEL}, got {digits}")
    rounded = int((array != whole).sum())
    note = f"{rounded} voxels hold labels that are not whole, such as {{:.9g}}: rounded"
    notes = (note.format(array[array != whole][0]),) if rounded else ()
    return whole.astype(np.int16), notes


def resampling(
    side: Sequence[int], old_mm: Sequence[float], new_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Ratio, offset and shape of another spacing: voxel ``j`` lies at ``ratio * j + offset`` of the old grid.

    The grids' centres coincide. A spacing that differs by less than 0.1 % is left alone.
    """
    old, ratio = np.asarray(side), np.asarray(new_mm, float) / np.asarray(old_mm, float)
    if np.allclose(ratio, 1, rtol=0, atol=1e-3):
        return np.ones(len(old)), np.zeros(len(old)), tuple(old.tolist())
    with np.errstate(over="ignore", divide="ignore"):
        new = np.clip(np.ceil(old / ratio - 1e-6), 1, BEYOND_ALL_GRIDS).astype(int)
    return ratio, (old - 1) / 2 - ratio * (new - 1) / 2, tuple(new.tolist())


def resample(volume: Volume, spacing_mm: Sequence[float]) -> Volume:
    """The volume at another spacing along its own axes: linear, smoothed first where voxels grow; nearest for labels.

    Grids as in ``resampling``.

    Raises:
        DataError: the grid would be too large, or be a single voxel along an axis.
    """
    ratio, offset, shape = resampling(volume.array.shape, volume.spacing_mm, spacing_mm)
    if (ratio == 1).all():
        return volume
    check_resampling(volume.path, volume.array.shape, volume.spacing_mm, spacing_mm)
    linear = volume.array.dtype.kind == "f"
    array = smoothed(volume.array, ratio) if linear else volume.array
    array = ndimage.affine_transform(array, ratio, offset, shape, order=1 if linear else 0, mode="nearest")
    affine = volume.affine @ np.diag([*ratio, 1.0])
    affine[:-1, -1] = (volume.affine @ [*offset, 1.0])[:-1]
    return replace(volume, array=array, affine=affine, spacing_mm=tuple(map(float, spacing_mm)))


def check_resampling(path: Path, side: Sequence[int], old_mm: Sequence[float], new_mm: Sequence[float]) -> None:
    """Refuse another spacing at which an image is larger than a network takes, or nothing is left of it.

    Raises:
        DataError: naming the file and both spacings.
    """
    shape = resampling(side, old_mm, new_mm)[2]
    problem = grid_problem(shape) if math.prod(shape) > math.prod(side) else None
    if not problem and any(new == 1 and old >= SMALLEST_SIDE for old, new in zip(side, shape, strict=True)):
        problem = f"only {sides(shape)} voxels are left of it"
    if problem:
        old, new = (" x ".join(f"{each:g}" for each in spacing) for spacing in (old_mm, new_mm))
        raise DataError(f"{path}: at {new} mm (its spacing is {old} mm), {problem}")


def smoothed(image: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """An image made ready for voxels ``ratio`` times as large, along the axes where they grow.

    A Gaussian as wide as they grow, in full width at half maximum: else linear sampling aliases.
    """
    return np.asarray(ndimage.gaussian_filter(image, np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355, mode="nearest"))


def normalise(volume: Volume, percentiles: Sequence[float]) -> Volume:
    """The volume with ``normalised`` intensities.

    Raises:
        DataError: it is constant, as a few voxels may be once they are resampled.
    """
    if volume.array.min() == volume.array.max():
        raise DataError(f"{volume.path}: is {float(volume.array.max()):g} everywhere once it is resampled")
    return replace(volume, array=normalised(volume.array, percentiles))


def normalised(image: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
    """Clip between two percentiles and map them to 0 and 1.

    The percentiles are taken over the ``foreground``, so that empty background does not count (where the two coincide:
    between minimum and maximum).
    """
    low, high = np.percentile(image[image > background(image)], percentiles)
    if not low < high:
        low, high = image.min(), image.max()
    return np.asarray(np.clip((image - low) / (high - low), 0, 1), dtype=np.float32)


def background(image: np.ndarray) -> float:
    """The value of empty space: the minimum, unless a few stray voxels lie below what fills the margin of the image.

    That is, below the commonest value of its outer faces, which a tenth of all voxels or more must have.
    """
    low = image.min()
    few = max(1, int(FEW * image.size))
    if np.count_nonzero(image == low) > few:
        return float(low)
    faces = np.concatenate([np.take(image, (0, -1), axis=axis).ravel() for axis in range(image.ndim)])
    values, counts = np.unique(faces, return_counts=True)
    margin = values[counts.argmax()]
    stray = np.count_nonzero(image < margin) <= few
    return float(margin if stray and np.count_nonzero(image == margin) >= image.size / 10 else low)


def foreground(image: np.ndarray) -> np.ndarray:
    """Voxels above the background, less a few that stand alone (none where they are many: that is noise)."""
    mask = image > background(image)
    neighbours = mask.astype(np.uint8)
    for axis in range(mask.ndim):
        neighbours = ndimage.convolve1d(neighbours, [1, 1, 1], axis=axis, mode="constant")
    alone = mask & (neighbours == 1)
    few = 0 < np.count_nonzero(alone) <= max(1, int(FEW * image.size)) and not np.array_equal(alone, mask)
    return mask & ~alone if few else mask


def centred_start(side: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Where a grid of ``shape`` begins that shares its centre with one of ``side`` voxels (negative: padding).

    Of an odd number of voxels to pad, the odd one comes after; of an odd number to crop, before.
    """
    return tuple(-((new - old) // 2) for old, new in zip(side, shape, strict=True))


def window(volume: Volume, *, start: Sequence[int], shape: Sequence[int]) -> Volume:
    """The grid of ``shape`` that begins at voxel ``start``: crops what is outside, pads with 0.

    Raises:
        DataError: a voxel above zero of a label map (an integer array) would be lost.
    """
    inside = tuple(slice(max(0, at), max(0, at + side)) for at, side in zip(start, shape, strict=True))
    part = volume.array[inside]
    if volume.array.dtype.kind != "f" and (lost := np.count_nonzero(volume.array) - np.count_nonzero(part)):
        raise DataError(f"{volume.path}: the grid {tuple(shape)} would lose {lost} label voxels; choose a larger shape")
    array = np.zeros(tuple(shape), volume.array.dtype)
    array[tuple(slice(max(0, -at), max(0, -at) + side) for at, side in zip(start, part.shape, strict=True))] = part
    affine = volume.affine.copy()
    affine[:-1, -1] += affine[:-1, :-1] @ np.asarray(start, float)
    return replace(volume, array=array, affine=affine)
