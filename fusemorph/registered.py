"""What a registration leaves: files on the fixed image's own grid, and metrics of labels."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from torch import Tensor

from fusemorph.data.nifti import write_nifti
from fusemorph.data.preprocess import Volume, orient
from fusemorph.data.world import LPS, coordinates_in, positions_mm, pulled_from, read_labels_at, to_voxels
from fusemorph.grid import identity_grid
from fusemorph.metrics.dice import dice_per_label
from fusemorph.metrics.regularity import folding_fraction, ndv_fraction, sd_log_jacobian
from fusemorph.metrics.surface import surface_distances


def save(
    out: Path, *, fixed: Volume, moving: Volume, warped: Float[np.ndarray, "*s"], displacement_mm: Float[Tensor, "d *s"]
) -> tuple[Path, Path]:
    """Write ``warped.nii.gz`` and ``displacement.nii.gz`` in the voxel order of the fixed image's own file.

    The displacement is what ITK expects of a NIfTI field: shape (i, j, k, 1, 3), intent 1007 (vector), LPS millimetres;
    (i, j, 1, 1, 2) where the fixed image's file is 2-D. A single third slice is written twice, since ITK would take one
    for 2-D. Between slices, the field reaches from the plane of the one to that of the other.
    """
    header = fixed.header
    assert header is not None, "read from a file"
    orientation, _, _ = orient(header)
    back = ornt_transform(io_orientation(np.eye(4)), orientation)
    sides = np.asarray((*header.shape, 1)[:3])[np.argsort(orientation[:, 0])].astype(int)
    ends = positions_mm(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    field = ends - positions_mm(fixed, identity_grid(fixed.array.shape, dtype=torch.float64))
    lps = (np.moveaxis(field.numpy(), 0, -1) * LPS).astype(np.float32).reshape(*sides, 3)
    stored, dims = (*header.shape, 1)[:3], len(header.shape)
    files = out / "warped.nii.gz", out / "displacement.nii.gz"
    write_on_grid(files[0], warped, fixed)
    vectors = apply_orientation(lps, back)[..., :dims].reshape(*stored, 1, dims)
    if dims == 3 and stored[2] == 1:
        vectors = np.repeat(vectors, 2, axis=2)
    write_nifti(files[1], vectors, header.affine, vector=True)
    return files


def write_on_grid(path: Path, array: np.ndarray, grid: Volume) -> None:
    """Write values on an image's grid in the voxel order of the image's own file."""
    header = grid.header
    assert header is not None, "read from a file"
    orientation, _, _ = orient(header)
    back = ornt_transform(io_orientation(np.eye(4)), orientation)
    sides = np.asarray((*header.shape, 1)[:3])[np.argsort(orientation[:, 0])].astype(int)
    write_nifti(path, apply_orientation(array.reshape(sides), back).reshape(header.shape), header.affine)


def measure_labels(
    fixed: Volume, moving: Volume, *, displacement_mm: Float[Tensor, "3 *s"]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Metrics on the fixed image's grid: one row per label (``dice_before``: without the displacement), and regularity.

    The labels are those of either map; regularity is over the foreground of the fixed one.
    """
    labels = sorted({*np.unique(fixed.array).tolist(), *np.unique(moving.array).tolist()} - {0})
    before = read_labels_at(moving, coordinates_in(moving, grid=fixed))
    after = read_labels_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    columns = {
        "dice_before": dice_per_label(fixed.array, before, moving_labels=moving.array, labels=labels),
        "dice": dice_per_label(fixed.array, after, moving_labels=moving.array, labels=labels),
        **surface_distances(fixed.array, after, moving_labels=moving.array, labels=labels, spacing_mm=fixed.spacing_mm),
    }
    voxels = to_voxels(displacement_mm, affine=fixed.affine).numpy()
    regularity = {
        metric.__name__: metric(voxels, mask=fixed.array > 0)
        for metric in (folding_fraction, ndv_fraction, sd_log_jacobian)
    }
    return pd.DataFrame(columns, index=pd.Index(labels, name="label")), regularity
