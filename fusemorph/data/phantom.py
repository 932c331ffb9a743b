"""Small made-up images as files: examples of a dataset's layout, on which its contract is tested."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage


def write_phantom(
    image: Path,
    labels: Path | None = None,
    *,
    rng: np.random.Generator,
    shape: Sequence[int] = (20, 24, 20),
    spacing_mm: float = 1.0,
    label_count: int = 2,
) -> None:
    """Write a textured ellipsoid as NIfTI, cut along its first axis into labels 1 to ``label_count``."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    axes = (-1, *[1] * len(shape))
    centre, radius = rng.uniform(-0.1, 0.1, len(shape)), rng.uniform(0.6, 0.8, len(shape))
    relative = (grid - centre.reshape(axes)) / radius.reshape(axes)
    inside = (relative**2).sum(axis=0) < 1
    parts = inside * (1 + np.floor((relative[0] + 1) / 2 * label_count).clip(0, label_count - 1))
    texture = ndimage.gaussian_filter(rng.standard_normal(tuple(shape)), 2.0)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    _write(image, (100 * inside + 20 * parts + 100 * texture + 50).astype(np.float32), affine)
    if labels is not None:
        _write(labels, parts.astype(np.uint8), affine)


def _write(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array, affine).to_filename(path)
