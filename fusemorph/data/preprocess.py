"""From NIfTI files to arrays on a common grid: checked, canonical, resampled, normalised, cropped or padded."""

import errno
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import SpatialImage
from scipy import ndimage

from fusemorph.data.errors import DataError, out_of_descriptors
from fusemorph.records import StorageError

VERSION = 1
"""Counts changes of the arrays made here: caches and fingerprints follow it."""

SMALLEST_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class Volume:
    """An array in canonical (RAS) order with its map from voxels to millimetres."""

    path: Path
    array: np.ndarray
    affine: np.ndarray
    spacing_mm: tuple[float, ...]


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file in canonical orientation; a single slice becomes a 2-D array with a 3x3 affine.

    Raises:
        DataError: missing, unreadable, truncated, more than one volume, or not plain numbers.
        StorageError: too many files are open.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, SpatialImage) or image.affine is None:
            raise DataError(f"{path}: must be an image with an affine, got {type(image).__name__}")
        array = np.asanyarray(image.dataobj)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except DataError:
        raise
    except Exception as error:  # a corrupt header makes nibabel and NumPy fail in ways that they do not list
        if out_of_descriptors(error):
            raise StorageError(errno.EMFILE, f"cannot read {path}: {error}") from error
        raise DataError(f"{path}: unreadable or truncated NIfTI ({error})") from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim > 3 or array.ndim < 2:
        raise DataError(f"{path}: must be one 3-D volume or 2-D slice, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: must hold plain numbers, got {array.dtype}")
    return _canonical(path, array if array.ndim == 3 else array[..., None], np.asarray(image.affine, float))


def _canonical(path: Path, array: np.ndarray, affine: np.ndarray) -> Volume:
    orientation = io_orientation(affine) if np.isfinite(affine).all() else np.array([[np.nan]])
    if np.isnan(orientation).any():
        raise DataError(f"{path}: the affine must be finite and invertible, got {affine.tolist()}")
    affine = affine @ inv_ornt_aff(orientation, array.shape)
    array = apply_orientation(array, orientation)
    # The slice axis of a 2-D image goes; its plane keeps true spacing even where it lies oblique.
    axes = [axis for axis in range(3) if array.shape[axis] > 1]
    axes = axes if len(axes) == 2 else [0, 1, 2]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[axes]
    keep = [*axes, 3]
    flat = array.reshape([array.shape[axis] for axis in axes])
    return Volume(path=path, array=flat, affine=affine[np.ix_(keep, keep)], spacing_mm=tuple(map(float, spacing)))


def read_image(path: Path, *, dimensions: int = 3, smallest_side: int | Sequence[int] = SMALLEST_SIDE) -> Volume:
    """An intensity image as float32; ``smallest_side`` may differ by axis, as where slices are few.

    Raises:
        DataError: of ``read_volume``; not ``dimensions``-D; of fewer than ``smallest_side`` voxels along an axis; NaN,
            infinite or constant.
    """
    volume = read_volume(path)
    if volume.array.ndim != dimensions:
        raise DataError(f"{path}: must be {dimensions}-D, got shape {volume.array.shape}")
    least = np.broadcast_to(smallest_side, volume.array.ndim).tolist()
    if short := [one for one, side in zip(least, volume.array.shape, strict=True) if side < one]:
        raise DataError(f"{path}: must have {short[0]} voxels or more a side, got shape {volume.array.shape}")
    array = volume.array.astype(np.float32)
    if not np.isfinite(array).all():
        raise DataError(f"{path}: must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite voxels")
    if array.min() == array.max():
        raise DataError(f"{path}: must not be constant, got {float(array.min()):g} everywhere")
    return replace(volume, array=array)


def read_labels(path: Path, *, image: Volume, known: Collection[int] | None = None) -> Volume:
    """The label map of ``image`` as int16; ``known`` lists the labels allowed beside 0.

    Raises:
        DataError: of ``read_volume``; a grid unlike the image's; values that are not whole numbers from 0 to 32767.
    """
    volume = read_volume(path)
    if volume.array.shape != image.array.shape:
        sides = f"{volume.array.shape} is unlike {image.array.shape}"
        raise DataError(f"{path}: label grid {sides} of {image.path}")
    away_mm = _corner_distance_mm(volume, image)
    if away_mm > 0.1 * min(image.spacing_mm):
        raise DataError(f"{path}: label grid is unlike the one of {image.path}: corners lie {away_mm:.3g} mm apart")
    array = volume.array
    if not np.isfinite(array).all() or (array != np.rint(array)).any() or array.min() < 0 or array.max() > 32767:
        raise DataError(f"{path}: labels must be whole numbers from 0 to 32767")
    if known is not None and (beyond := set(np.unique(array).astype(int).tolist()) - {0, *known}):
        raise DataError(f"{path}: labels must be among {[0, *known]}, got {sorted(beyond)} as well")
    return Volume(path=path, array=array.astype(np.int16), affine=image.affine, spacing_mm=image.spacing_mm)


def _corner_distance_mm(first: Volume, second: Volume) -> float:
    sides = [(0, side - 1) for side in first.array.shape]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*sides)] + [np.ones(2 ** len(sides))])
    return float(np.linalg.norm((first.affine - second.affine) @ corners, axis=0).max())


def resampling(
    side: Sequence[int], old_mm: Sequence[float], new_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Ratio, offset and shape of another spacing: voxel ``j`` lies at ``ratio * j + offset`` of the old grid.

    The grids' centres coincide. A spacing that differs by less than 0.1 % is left alone.
    """
    old, ratio = np.asarray(side), np.asarray(new_mm, float) / np.asarray(old_mm, float)
    if np.allclose(ratio, 1, rtol=0, atol=1e-3):
        return np.ones(len(old)), np.zeros(len(old)), tuple(old.tolist())
    new = np.maximum(1, np.ceil(old / ratio - 1e-6)).astype(int)
    return ratio, (old - 1) / 2 - ratio * (new - 1) / 2, tuple(new.tolist())


def resample(volume: Volume, spacing_mm: Sequence[float]) -> Volume:
    """The volume at another spacing along its own axes: linear, smoothed first where voxels grow; nearest for labels.

    Grids as in ``resampling``.
    """
    ratio, offset, shape = resampling(volume.array.shape, volume.spacing_mm, spacing_mm)
    if (ratio == 1).all():
        return volume
    linear = volume.array.dtype.kind == "f"
    array = smoothed(volume.array, ratio) if linear else volume.array
    array = ndimage.affine_transform(array, ratio, offset, shape, order=1 if linear else 0, mode="nearest")
    affine = volume.affine @ np.diag([*ratio, 1.0])
    affine[:-1, -1] = (volume.affine @ [*offset, 1.0])[:-1]
    return replace(volume, array=array, affine=affine, spacing_mm=tuple(map(float, spacing_mm)))


def smoothed(image: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """An image made ready for voxels ``ratio`` times as large, along the axes where they grow.

    A Gaussian as wide as they grow, in full width at half maximum: else linear sampling aliases.
    """
    return np.asarray(ndimage.gaussian_filter(image, np.sqrt(np.maximum(ratio**2 - 1, 0)) / 2.355, mode="nearest"))


def normalise(volume: Volume, percentiles: Sequence[float]) -> Volume:
    """The volume with ``normalised`` intensities."""
    return replace(volume, array=normalised(volume.array, percentiles))


def normalised(image: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
    """Clip between two percentiles and map them to 0 and 1.

    The percentiles are taken over voxels above the image's minimum, so that empty background does not count (where the
    two coincide: between minimum and maximum).
    """
    low, high = np.percentile(image[image > image.min()], percentiles)
    if not low < high:
        low, high = image.min(), image.max()
    return np.asarray(np.clip((image - low) / (high - low), 0, 1), dtype=np.float32)


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
