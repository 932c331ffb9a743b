"""A scan brought to the space of a reference scan by one affine map and one interpolation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.affine import register_affine
from fusemorph.data.cache import Arrays
from fusemorph.data.errors import DataError
from fusemorph.data.preprocess import Volume, resample, resampling, smoothed, window
from fusemorph.data.template import centred_on_brain, template_at
from fusemorph.data.world import read_at, read_labels_at
from fusemorph.grid import identity_grid

COARSE_MM = 2.0
"""A finer grid tells no more of an affine map of a brain."""


def align(
    image: Volume, maps: Mapping[str, Volume], *, reference: Volume, start: Sequence[int], shape: Sequence[int]
) -> Arrays:
    """``image``, ``affine`` and the ``maps`` (argmax of linear one-hot) on a window of ``reference``, 0 outside.

    ``matrix`` is ``A|b`` from voxels of the window to voxels of the image. ``maps``: ``labels``, none of which may be
    lost, and ``mask``.

    Both images must be normalised; they are registered whole, whatever the window. The affine is the reference's, in
    whose space the scan lies from now on: there its millimetres are those of the grid, whatever the map scales.

    Raises:
        DataError: the images cannot be aligned, or a label voxel would be lost.
    """
    matrix = affine_voxels(image, reference)
    return _on_window(image, maps, matrix, reference=reference, start=start, shape=shape)


def _on_window(
    image: Volume,
    maps: Mapping[str, Volume],
    matrix: Float[Tensor, "d e"],
    *,
    reference: Volume,
    start: Sequence[int],
    shape: Sequence[int],
) -> Arrays:
    """``matrix`` maps voxels of the reference to voxels of the image."""
    matrix[:, -1] += matrix[:, :-1] @ torch.tensor(start, dtype=torch.float64)
    grid = identity_grid(shape, dtype=torch.float64)
    places = torch.einsum("ij,j...->i...", matrix[:, :-1], grid) + matrix[:, -1].view(-1, *[1] * len(shape))
    ratio = resampling(image.array.shape, image.spacing_mm, reference.spacing_mm)[0]
    image = replace(image, array=smoothed(image.array, ratio))
    arrays = {"image": read_at(image, places), "affine": window(reference, start=start, shape=shape).affine}
    if "labels" in maps:
        _check_labels(maps["labels"], matrix, shape)
    arrays |= {name: read_labels_at(volume, places) for name, volume in maps.items()}
    return arrays | {"matrix": matrix.numpy()}


def align_to_template(
    image: Volume, maps: Mapping[str, Volume], *, spacing_mm: Sequence[float], shape: Sequence[int]
) -> Arrays:
    """What ``align`` returns, on a grid in the space of the MNI152 template with its brain in the middle.

    ``image`` must be normalised. The map is found at 2 mm, or at a coarser ``spacing_mm``.

    Raises:
        DataError: as ``align``.
    """
    reference, coarse = (template_at(spacing) for spacing in (tuple(spacing_mm), _at_least(spacing_mm, COARSE_MM)))
    start = centred_on_brain(reference, shape)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:-1] = affine_voxels(image, coarse)
    between = torch.from_numpy(np.linalg.solve(coarse.affine, reference.affine))
    return _on_window(image, maps, (matrix @ between)[:-1], reference=reference, start=start, shape=shape)


def _at_least(spacing_mm: Sequence[float], least_mm: float) -> tuple[float, ...]:
    return tuple(max(float(spacing), least_mm) for spacing in spacing_mm)


def affine_voxels(image: Volume, reference: Volume) -> Float[Tensor, "d e"]:
    """``A|b`` from voxels of the reference to voxels of the image, found at the spacing of the reference."""
    coarse = resample(image, reference.spacing_mm)
    fixed, moving = (torch.tensor(volume.array, dtype=torch.float32)[None, None] for volume in (reference, coarse))
    try:
        matrix = register_affine(fixed, moving, spacing_mm=reference.spacing_mm)
    except ValueError as error:
        raise DataError(f"{image.path}: cannot be aligned to {reference.path}: {error}") from error
    ratio, offset, _ = resampling(image.array.shape, image.spacing_mm, reference.spacing_mm)
    matrix = torch.from_numpy(ratio)[:, None] * matrix
    matrix[:, -1] += torch.from_numpy(offset)
    return matrix


def _check_labels(labels: Volume, matrix: Tensor, shape: Sequence[int]) -> None:
    linear, shift = matrix[:, :-1].numpy(), matrix[:, -1:].numpy()
    places = np.linalg.solve(linear, np.stack(np.nonzero(labels.array)) - shift)
    beyond = (places < -0.5) | (places > np.asarray(shape)[:, None] - 0.5)
    if lost := int(beyond.any(axis=0).sum()):
        raise DataError(
            f"{labels.path}: the grid {tuple(shape)} would lose {lost} label voxels after its alignment; "
            "choose a larger shape"
        )
