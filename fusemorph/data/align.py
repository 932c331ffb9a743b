"""A scan brought to the space of a reference scan by one affine map and one interpolation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.affine import register_affine
from fusemorph.data.cache import Arrays
from fusemorph.data.errors import DataError
from fusemorph.data.preprocess import Volume, resample, resampling, smoothed, window
from fusemorph.data.world import read_at, read_labels_at
from fusemorph.grid import identity_grid


def align(
    image: Volume, labels: Volume | None, *, reference: Volume, start: Sequence[int], shape: Sequence[int]
) -> Arrays:
    """``image``, ``affine`` and ``labels`` (argmax of linear one-hot) on a window of ``reference``, 0 outside the scan.

    Both images must be normalised; they are registered whole, whatever the window. The affine is the reference's, in
    whose space the scan lies from now on: there its millimetres are those of the grid, whatever the map scales.

    Raises:
        DataError: the images cannot be aligned, or a label voxel would be lost.
    """
    matrix = affine_voxels(image, reference)
    matrix[:, -1] += matrix[:, :-1] @ torch.tensor(start, dtype=torch.float64)
    grid = identity_grid(shape, dtype=torch.float64)
    places = torch.einsum("ij,j...->i...", matrix[:, :-1], grid) + matrix[:, -1].view(-1, *[1] * len(shape))
    ratio = resampling(image.array.shape, image.spacing_mm, reference.spacing_mm)[0]
    image = replace(image, array=smoothed(image.array, ratio))
    arrays = {"image": read_at(image, places), "affine": window(reference, start=start, shape=shape).affine}
    if labels is not None:
        _check_labels(labels, matrix, shape)
        arrays["labels"] = read_labels_at(labels, places)
    return arrays


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
