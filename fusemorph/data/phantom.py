"""Small made-up images as files: examples of a dataset's layout, on which its contract is tested."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from scipy import ndimage

from fusemorph.data.listing import directions


def write_phantom(
    image: Path,
    labels: Path | None = None,
    *,
    rng: np.random.Generator,
    shape: Sequence[int] = (20, 24, 20),
    spacing_mm: float = 1.0,
    label_count: int = 2,
    values: Sequence[int] = (),
    axes: str = "RAS",
    header_axes: str = "",
    stripped: bool = False,
) -> None:
    """Write a textured ellipsoid as NIfTI (or MGH, by its name), cut along its first axis into labels.

    They are 1 to ``label_count``, or ``values``. ``axes``: the order in which the voxels are stored, which the header
    tells unless it tells ``header_axes`` instead. ``stripped``: 0 outside, as of a brain without skull.
    """
    label_count = len(values) or label_count
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    column = (-1, *[1] * len(shape))
    centre, radius = rng.uniform(-0.1, 0.1, len(shape)), rng.uniform(0.6, 0.8, len(shape))
    relative = (grid - centre.reshape(column)) / radius.reshape(column)
    inside = (relative**2).sum(axis=0) < 1
    parts = inside * (1 + np.floor((relative[0] + 1) / 2 * label_count).clip(0, label_count - 1))
    texture = ndimage.gaussian_filter(rng.standard_normal(tuple(shape)), 2.0)
    intensity = 100 * inside + 20 * parts + 100 * texture + 50
    intensity = np.where(inside, np.maximum(intensity, 1), 0) if stripped else intensity
    arrays = {image: intensity.astype(np.float32)}
    if labels is not None:
        numbered = np.asarray([0, *values])[parts.astype(int)] if values else parts
        arrays[labels] = numbered.astype(np.int16 if values else np.uint8)
    for path, array in arrays.items():
        _write(path, array, spacing_mm, axes, header_axes or axes)


def _write(path: Path, array: np.ndarray, spacing_mm: float, axes: str, header_axes: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    if (axes, header_axes) != ("RAS", "RAS"):
        array = apply_orientation(array, ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(axes))))
        affine[:3, :3] = directions(header_axes) * spacing_mm
    kind = nib.MGHImage if path.name.endswith((".mgz", ".mgh")) else nib.Nifti1Image
    kind(array, affine).to_filename(path)
