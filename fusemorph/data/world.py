"""Physical space: what lies where in millimetres, for images whose grids differ in shape, spacing and orientation."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Int16
from torch import Tensor

from fusemorph.data.preprocess import Volume, background, orient
from fusemorph.grid import identity_grid, sample
from fusemorph.warp import warp_labels

LPS = np.array([-1.0, -1.0, 1.0])
"""Signs between RAS (NIfTI) and LPS (ITK, DICOM)."""


def world_box_mm(volume: Volume) -> Float[np.ndarray, "2 d"]:
    """The least and largest RAS coordinates that the voxels of an image reach, their half-voxel margins included."""
    sides = [(-0.5, side - 0.5) for side in volume.array.shape]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*sides)], axis=-1)
    world = corners @ volume.affine[:-1, :-1].T + volume.affine[:-1, -1]
    return np.stack([world.min(axis=0), world.max(axis=0)])


def centre_mm(volume: Volume) -> Float[np.ndarray, " d"]:
    """RAS coordinates of the middle of the grid."""
    middle = (np.array(volume.array.shape) - 1) / 2
    return np.asarray(volume.affine[:-1, :-1] @ middle + volume.affine[:-1, -1])


def check_overlap(fixed: Volume, moving: Volume) -> None:
    """Refuse two images that lie in different places, where no field of a few voxels can help.

    Raises:
        ValueError: their boxes in world coordinates have no volume in common.
    """
    boxes = np.stack([world_box_mm(fixed), world_box_mm(moving)])
    if (boxes[:, 1].min(axis=0) <= boxes[:, 0].max(axis=0)).any():
        where = [" to ".join(str(corner.round(1).tolist()) for corner in box) for box in boxes]
        raise ValueError(
            f"{fixed.path} and {moving.path} do not overlap in space: they reach from {where[0]} mm "
            f"and from {where[1]} mm (RAS)"
        )


def coordinates_in(volume: Volume, *, grid: Volume) -> Float[Tensor, "d *s"]:
    """Where the voxels of ``grid`` lie in voxels of ``volume``, by the two affines; float64."""
    matrix = torch.from_numpy(np.linalg.solve(volume.affine, grid.affine))
    voxels = identity_grid(grid.array.shape, dtype=torch.float64)
    return _apply(matrix[:-1, :-1], voxels) + matrix[:-1, -1].view(-1, *[1] * (voxels.ndim - 1))


def to_mm(displacement: Float[Tensor, "d *s"], *, affine: Float[np.ndarray, "e e"]) -> Float[Tensor, "d *s"]:
    """Displacement in voxels of a grid to RAS millimetres; float64."""
    return _apply(torch.from_numpy(affine[:-1, :-1]), displacement.double())


def to_voxels(displacement_mm: Float[Tensor, "d *s"], *, affine: Float[np.ndarray, "e e"]) -> Float[Tensor, "d *s"]:
    """Displacement in RAS millimetres to voxels of a grid, the inverse of ``to_mm``; float64."""
    return _apply(torch.from_numpy(np.linalg.inv(affine[:-1, :-1])), displacement_mm.double())


def after_start(
    displacement_mm: Float[Tensor, "d *s"], start: Float[np.ndarray, "e e"], *, grid: Volume
) -> Float[Tensor, "d *s"]:
    """A displacement that comes before an affine map in RAS millimetres, as one: ``A (x + u) + b - x``; float64."""
    places = _apply(torch.from_numpy(grid.affine[:-1, :-1]), identity_grid(grid.array.shape, dtype=torch.float64))
    places = places + torch.from_numpy(grid.affine[:-1, -1]).view(-1, *[1] * (places.ndim - 1))
    moved = _apply(torch.from_numpy(start[:-1, :-1]), places + displacement_mm.double())
    return moved + torch.from_numpy(start[:-1, -1]).view(-1, *[1] * (places.ndim - 1)) - places


def pulled_from(moving: Volume, *, fixed: Volume, displacement_mm: Float[Tensor, "d *s"]) -> Float[Tensor, "d *s"]:
    """Where in voxels of ``moving`` each voxel of ``fixed`` has its value from; float64."""
    return coordinates_in(moving, grid=fixed) + to_voxels(displacement_mm, affine=moving.affine)


def _apply(matrix: Tensor, vectors: Tensor) -> Tensor:
    return torch.einsum("ij,j...->i...", matrix, vectors)


def positions_mm(volume: Volume, coordinates: Float[Tensor, "d *s"]) -> Float[Tensor, "3 *s"]:
    """Where points in voxels of an image as it was read lie in RAS millimetres; a slice lies where its file puts it."""
    assert volume.header is not None, "read from a file"
    _, affine, axes = orient(volume.header)
    places = _apply(torch.from_numpy(affine[:3, axes]), coordinates.double())
    return places + torch.from_numpy(affine[:3, 3]).view(-1, *[1] * (coordinates.ndim - 1))


def mass_mm(volume: Volume) -> Float[np.ndarray, " d"]:
    """RAS coordinates of the centre of the foreground."""
    middle = np.argwhere(volume.array > background(volume.array)).mean(axis=0)
    return np.asarray(volume.affine[:-1, :-1] @ middle + volume.affine[:-1, -1])


def read_at(volume: Volume, coordinates: Float[Tensor, "d *s"]) -> Float32[np.ndarray, "*s"]:
    """Linear samples of an image at voxel ``coordinates``; 0 more than half a voxel outside, as ITK resamples."""
    image = torch.from_numpy(np.ascontiguousarray(volume.array, dtype=np.float64))
    values = sample(image[None, None], coordinates[None])[0, 0]
    ends = torch.tensor(image.shape, dtype=torch.float64).view(-1, *[1] * image.ndim) - 0.5
    inside = ((coordinates >= -0.5) & (coordinates <= ends)).all(dim=0)
    return np.asarray(torch.where(inside, values, 0.0).float().numpy())


def read_labels_at(labels: Volume, coordinates: Float[Tensor, "d *s"]) -> Int16[np.ndarray, "*s"]:
    """Labels at voxel ``coordinates``, the argmax of linearly read one-hot maps; background (0) outside."""
    shape = coordinates.shape[1:]
    # ``warp_labels`` reads on one grid: the labels, within a rim of background, and the points share the larger one.
    sides = [max(side + 2, wanted) for side, wanted in zip(labels.array.shape, shape, strict=True)]
    canvas, rim = np.zeros(sides, np.int16), tuple(slice(1, side + 1) for side in labels.array.shape)
    canvas[rim] = labels.array
    displacement = torch.zeros(len(sides), *sides, dtype=torch.float64)
    part = tuple(slice(0, side) for side in shape)
    displacement[(slice(None), *part)] = coordinates + 1 - identity_grid(shape, dtype=torch.float64)
    return np.asarray(warp_labels(torch.from_numpy(canvas)[None, None], displacement[None])[0, 0].numpy()[part])
