from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from fusemorph.data.preprocess import read_image
from fusemorph.data.world import to_mm
from fusemorph.metrics import tre_mm
from fusemorph.registered import save
from tests.affine_fields import SHAPES, linear

SPACING_MM = (0.7, 1.5, 3.0)


def rotated(spacing_mm: tuple[float, ...] = SPACING_MM, angle: float = 0.4) -> np.ndarray:
    """An affine of that spacing, turned about the third axis, then about the first, with an offset."""
    c, s = np.cos(angle), np.sin(angle)
    about_third, about_first = np.eye(4), np.eye(4)
    about_third[:2, :2], about_first[1:3, 1:3] = [[c, -s], [s, c]], [[c, -s], [s, c]]
    affine = about_first @ about_third @ np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = (-40.0, 25.0, 7.0)
    return affine


def points(shape: tuple[int, ...], count: int = 40) -> np.ndarray:
    return np.random.default_rng(3).uniform(1.0, np.array(shape) - 2.0, size=(count, len(shape)))


@pytest.mark.parametrize("shape", SHAPES)
def test_is_exact_between_voxels_of_an_affine_field(shape: tuple[int, ...]) -> None:
    dims = len(shape)
    matrix = torch.eye(dims, dtype=torch.float64) + 0.1 * torch.randn(
        dims, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    fixed = points(shape)
    moving = fixed @ matrix.numpy().T
    affine = np.eye(dims + 1)
    np.testing.assert_allclose(tre_mm(linear(shape, matrix), fixed, moving, affine=affine), 0, atol=1e-9)
    apart = np.linalg.norm(moving - fixed, axis=1)
    np.testing.assert_allclose(tre_mm(torch.zeros(dims, *shape), fixed, moving, affine=affine), apart, atol=1e-9)


def test_an_error_along_one_axis_counts_in_its_spacing_however_the_grid_is_turned() -> None:
    fixed = points((24, 25, 26))
    for axis, spacing in enumerate(SPACING_MM):
        moving = fixed.copy()
        moving[:, axis] += 2.5
        zero = torch.zeros(3, 24, 25, 26)
        for affine in (np.diag([*SPACING_MM, 1.0]), rotated()):
            np.testing.assert_allclose(tre_mm(zero, fixed, moving, affine=affine), 2.5 * spacing, rtol=1e-12)
        zero[axis] = 2.5
        np.testing.assert_allclose(tre_mm(zero, fixed, moving, affine=rotated()), 0, atol=1e-9)


def test_agrees_with_simpleitk_applying_the_written_field(tmp_path: Path) -> None:
    shape, affine = (24, 25, 26), rotated()
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random(shape, dtype=np.float32), affine), tmp_path / "image.nii")
    image = read_image(tmp_path / "image.nii")
    coarse = torch.randn(1, 3, 5, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    field = torch.nn.functional.interpolate(coarse, size=image.array.shape, mode="trilinear", align_corners=True)
    written = to_mm(field[0], affine=image.affine)
    _, path = save(tmp_path, fixed=image, moving=image, warped=image.array, displacement_mm=written)
    transform = sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))
    fixed = points(image.array.shape)
    moving = fixed + np.random.default_rng(5).normal(size=fixed.shape)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    there, due = (at @ to_lps[:3, :3].T + to_lps[:3, 3] for at in (fixed, moving))
    moved = np.array([transform.TransformPoint(point.tolist()) for point in there])
    expected = np.linalg.norm(moved - due, axis=1)
    np.testing.assert_allclose(tre_mm(field, fixed, moving, affine=image.affine), expected, atol=1e-4)


def test_a_fixed_landmark_outside_the_grid_is_not_measured() -> None:
    fixed = np.array([[3.0, 4.0], [-0.4, 7.4], [-0.6, 4.0], [3.0, 7.6]])
    errors = tre_mm(torch.zeros(2, 8, 8), fixed, fixed, affine=np.eye(3))
    assert np.isnan(errors).tolist() == [False, False, True, True]


def test_errors_name_argument_and_rule() -> None:
    field, two = torch.zeros(2, 8, 8), np.ones((2, 2))
    with pytest.raises(ValueError, match=r"'moving_points' must be 2, as 'fixed_points' are, got 1"):
        tre_mm(field, two, two[:1], affine=np.eye(3))
    with pytest.raises(ValueError, match=r"'fixed_points' must be finite points \(n, 2\), got shape \(2, 3\)"):
        tre_mm(field, np.ones((2, 3)), two, affine=np.eye(3))
    with pytest.raises(ValueError, match=r"'affine' must be 3 x 3, got shape \(4, 4\)"):
        tre_mm(field, two, two, affine=np.eye(4))
