"""NIfTI files whose headers are written field by field, as programs of all kinds leave them."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

CORNERS = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)


def write_raw(
    path: Path,
    array: np.ndarray,
    *,
    sform: np.ndarray | None = None,
    qform: np.ndarray | None = None,
    sform_code: int = 0,
    qform_code: int = 0,
    kind: Any = nib.Nifti1Image,
    **fields: Any,
) -> Path:
    """An image with both forms as given, under any codes, and any other field of the header."""
    image = kind(array, None)
    header = image.header
    header.set_xyzt_units("mm")
    if qform is not None:
        header.set_qform(qform, code=1)
    if sform is not None:
        for name, row in zip(("srow_x", "srow_y", "srow_z"), sform, strict=False):
            header[name] = row
        if qform is None:
            header["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
    header["sform_code"], header["qform_code"] = sform_code, qform_code
    for name, value in fields.items():
        header[name] = value
    content = bytearray(image.to_bytes())
    header["vox_offset"] = fields.get("vox_offset", 352 if kind is nib.Nifti1Image else 544)
    header["magic"] = image.header["magic"]
    content[: len(header.binaryblock)] = header.binaryblock
    path.write_bytes(bytes(content))
    return path


def random_affine(rng: np.random.Generator, *, flipped: bool = False) -> np.ndarray:
    """Oblique, with a spacing of its own along each axis."""
    rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([-1.0 if flipped else 1.0, 1, 1]) * rng.uniform(0.7, 3.0, 3)
    affine[:3, 3] = rng.uniform(-120, 120, 3)
    return affine


def read_by_itk(path: Path) -> np.ndarray | None:
    """The affine to RAS that ITK reads, in the dimension in which it reads the file; None where it refuses it."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        return None
    dims = image.GetDimension()
    affine = np.eye(dims + 1)
    affine[:dims, :dims] = np.reshape(image.GetDirection(), (dims, dims)) * image.GetSpacing()
    affine[:dims, dims] = image.GetOrigin()
    return np.diag([-1.0, -1, *[1] * (dims - 1)]) @ affine


def apart_mm(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """How far apart two affines place the corners of a grid."""
    corners = CORNERS * [*(np.asarray((*shape, 1))[:3] - 1), 1]
    return float(np.linalg.norm((first - second) @ corners.T, axis=0).max())
