"""``fusemorph register`` against SimpleITK, on grids that differ in shape, spacing and orientation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from fusemorph.data.dataset import Pair
from fusemorph.data.errors import DataError
from fusemorph.data.preprocess import Volume, read_image, read_labels
from fusemorph.data.world import coordinates_in, pulled_from, read_at, read_labels_at
from fusemorph.register import Estimate, main, register_images
from fusemorph.registered import measure_labels, save
from tests.trained_trial import trained

CENTRE_MM = np.array([10.0, -20.0, 30.0])
TRAINING: dict[str, Any] = {"spacing_mm": (2.0, 2.0, 2.0), "percentiles": (1.0, 99.0)}


def rotation(degrees: float, axis: int) -> np.ndarray:
    return Rotation.from_euler("xyz"[axis], degrees, degrees=True).as_matrix()


def affine_of(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Affine with this linear part whose grid is centred on ``CENTRE_MM``."""
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = CENTRE_MM - matrix @ ((np.array(shape) - 1) / 2)
    return affine


GRIDS = {
    "isotropic": ((28, 30, 26), np.diag([2.0, 2.0, 2.0])),
    "anisotropic": ((40, 24, 18), np.diag([1.3, 2.2, 3.1])),
    "flipped": ((26, 28, 30), np.diag([-2.0, -2.0, 2.0])),
    "permuted": ((24, 30, 28), np.array([[0, 0, 2.1], [-1.9, 0, 0], [0, 2.0, 0]])),
    "oblique": ((30, 26, 28), rotation(25, 2) @ rotation(-15, 0) @ np.diag([1.8, 2.4, -2.0])),
}


def texture(points_mm: np.ndarray) -> np.ndarray:
    """Smooth, without symmetry, with its own scale of intensities."""
    x, y, z = np.moveaxis(points_mm - CENTRE_MM, -1, 0) / 7.0
    blob = np.exp(-(x**2 + 0.7 * y**2 + 1.3 * z**2) / 12)
    return 100 + 900 * blob * (1.5 + np.sin(x + 0.3 * y) + 0.6 * np.cos(1.1 * y - 0.5) * np.sin(z + 0.4 * x))


def write(path: Path, shape: tuple[int, ...], affine: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> Path:
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    nib.save(nib.Nifti1Image(function(points).astype(np.float32), affine), path)
    return path


def image_on(grid: str, path: Path, function: Callable[[np.ndarray], np.ndarray] = texture) -> Volume:
    shape, matrix = GRIDS[grid]
    return read_image(write(path, shape, affine_of(matrix, shape), function))


def wave(pair: Pair) -> Tensor:
    """A smooth displacement of up to two voxels, unlike along every axis."""
    x, y, z = torch.meshgrid(*(torch.linspace(0, 3, side) for side in pair.fixed.image.shape), indexing="ij")
    return torch.stack([torch.sin(x + y), 1.5 * torch.cos(y - z), 2 * torch.sin(z) * torch.cos(x)])[None]


def constant(*voxels: float) -> Estimate:
    """The same displacement everywhere."""
    return lambda pair: torch.tensor(voxels).view(1, 3, 1, 1, 1).expand(1, 3, *pair.fixed.image.shape)


still = constant(0.0, 0.0, 0.0)


def written(out: Path, fixed: Volume, moving: Volume, estimate: Estimate) -> tuple[Path, Path]:
    field = register_images(fixed, moving, estimate=estimate, **TRAINING)
    warped = read_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=field))
    return save(out, fixed=fixed, moving=moving, warped=warped, displacement_mm=field)


def resampled_by_itk(fixed: Path, moving: Path, displacement: Path) -> np.ndarray:
    field = sitk.ReadImage(str(displacement), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    image = sitk.ReadImage(str(moving), sitk.sitkFloat64)
    resampled = sitk.Resample(image, sitk.ReadImage(str(fixed)), transform, sitk.sitkLinear, 0.0, sitk.sitkFloat64)
    return sitk.GetArrayFromImage(resampled).T


@pytest.mark.parametrize("moving_grid", GRIDS)
@pytest.mark.parametrize("fixed_grid", GRIDS)
def test_simpleitk_resamples_to_the_warped_image(fixed_grid: str, moving_grid: str, tmp_path: Path) -> None:
    fixed = image_on(fixed_grid, tmp_path / "fixed.nii.gz")
    moving = image_on(moving_grid, tmp_path / "moving.nii.gz")
    warped_path, displacement_path = written(tmp_path, fixed, moving, wave)
    warped = nib.Nifti1Image.from_filename(warped_path)
    expected = resampled_by_itk(fixed.path, moving.path, displacement_path)
    error = np.abs(warped.get_fdata() - expected) / np.ptp(moving.array)
    assert error.max() < 1e-3
    assert warped.get_data_dtype() == np.float32
    np.testing.assert_allclose(warped.affine, nib.Nifti1Image.from_filename(fixed.path).affine, atol=1e-5)
    assert np.abs(warped.get_fdata() - texture_on(fixed_grid)).max() > 100  # the wave did move it


def texture_on(grid: str) -> np.ndarray:
    shape, matrix = GRIDS[grid]
    affine = affine_of(matrix, shape)
    return texture(np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3])


@pytest.mark.parametrize("moving_grid", GRIDS)
def test_no_displacement_resamples_the_moving_image(moving_grid: str, tmp_path: Path) -> None:
    fixed = image_on("oblique", tmp_path / "fixed.nii.gz")
    moving = image_on(moving_grid, tmp_path / "moving.nii.gz")
    warped_path, _ = written(tmp_path, fixed, moving, still)
    reference = sitk.Resample(*(sitk.ReadImage(str(v.path), sitk.sitkFloat64) for v in (moving, fixed)))
    warped = nib.Nifti1Image.from_filename(warped_path).get_fdata()
    np.testing.assert_allclose(warped, sitk.GetArrayFromImage(reference).T, atol=0.05)


@pytest.mark.parametrize("moving_grid", GRIDS)
@pytest.mark.parametrize("fixed_grid", GRIDS)
def test_the_method_sees_both_images_on_one_grid(fixed_grid: str, moving_grid: str, tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def keep(pair: Pair) -> Tensor:
        seen.extend(scan.image[(slice(6, -6),) * 3] for scan in (pair.fixed, pair.moving))
        return still(pair)

    fixed = image_on(fixed_grid, tmp_path / "fixed.nii.gz")
    moving = image_on(moving_grid, tmp_path / "moving.nii.gz")
    written(tmp_path, fixed, moving, keep)
    assert np.corrcoef(seen[0].ravel(), seen[1].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("grid", GRIDS)
def test_a_translation_keeps_its_length_in_millimetres(grid: str, tmp_path: Path) -> None:
    fixed, moving = image_on(grid, tmp_path / "fixed.nii.gz"), image_on("anisotropic", tmp_path / "moving.nii.gz")
    _, displacement_path = written(tmp_path, fixed, moving, constant(2.0, 0.0, -1.0))
    image = nib.Nifti1Image.from_filename(displacement_path)
    assert image.shape == (*GRIDS[grid][0], 1, 3)
    assert image.header["intent_code"] == 1007
    axes = fixed.affine[:3, :3] / fixed.spacing_mm
    expected = axes @ [4.0, 0.0, -2.0] * [-1, -1, 1]
    np.testing.assert_allclose(image.get_fdata(), np.broadcast_to(np.asarray(expected), image.shape), atol=1e-4)


def test_the_field_of_an_aligned_grid_is_the_estimate(tmp_path: Path) -> None:
    fixed, moving = (image_on("isotropic", tmp_path / f"{name}.nii.gz") for name in ("fixed", "moving"))
    seen: list[Tensor] = []

    def keep(pair: Pair) -> Tensor:
        seen.append(wave(pair))
        return seen[0]

    field = register_images(fixed, moving, estimate=keep, **TRAINING)
    torch.testing.assert_close(field, 2 * seen[0][0], atol=1e-5, rtol=0)


def test_images_in_different_places_are_refused(tmp_path: Path) -> None:
    fixed = image_on("isotropic", tmp_path / "here.nii.gz")
    shape, matrix = GRIDS["isotropic"]
    far = affine_of(matrix, shape)
    far[0, 3] += 56.5  # 28 voxels of 2 mm, and a little
    moving = read_image(write(tmp_path / "there.nii.gz", shape, far, lambda points: texture(points - [56.5, 0, 0])))
    with pytest.raises(ValueError, match=r"here\.nii\.gz and .*there\.nii\.gz do not overlap"):
        register_images(fixed, moving, estimate=still, **TRAINING)


def test_from_centres_the_distance_of_the_images_is_part_of_the_field(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def keep(pair: Pair) -> Tensor:
        seen.extend((pair.fixed.image, pair.moving.image))
        return still(pair)

    fixed = image_on("oblique", tmp_path / "here.nii.gz")
    shape, matrix = GRIDS["oblique"]
    away = np.array([300.0, -40.0, 7.0])
    far = affine_of(matrix, shape)
    far[:3, 3] += away
    moving = read_image(write(tmp_path / "there.nii.gz", shape, far, lambda points: texture(points - away)))
    field = register_images(fixed, moving, estimate=keep, start="centres", **TRAINING)
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-4)
    np.testing.assert_allclose(field, np.broadcast_to(away[:, None, None, None], field.shape), atol=1e-4)


def test_labels_follow_the_field_exactly_where_it_undoes_a_shift(tmp_path: Path) -> None:
    def blocks(points_mm: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(points_mm - CENTRE_MM, -1, 0)
        inside = (np.abs(x) < 14) & (np.abs(y) < 15) & (np.abs(z) < 13)
        return inside * np.where(x > 3, 2, 1)

    shape, matrix = GRIDS["isotropic"]
    affine = affine_of(matrix, shape)
    fixed, moving = (image_on("isotropic", tmp_path / f"{name}.nii.gz") for name in ("fixed", "moving"))
    truth = read_labels(write(tmp_path / "a.nii.gz", shape, affine, blocks), image=fixed)
    moved = write(tmp_path / "b.nii.gz", shape, affine, lambda p: blocks(p - [8.0, 0, 0]))
    back = constant(4.0, 0.0, 0.0)
    field = register_images(fixed, moving, estimate=back, **TRAINING)
    table, regularity = measure_labels(truth, read_labels(moved, image=moving), displacement_mm=field)
    assert table.index.tolist() == [1, 2]
    assert (table["dice_before"] < 0.8).all()
    assert table["dice"].tolist() == [1.0, 1.0]
    assert table["hd95_mm"].tolist() == [0.0, 0.0]
    assert regularity["folding_fraction"] == 0


def test_background_lies_outside_the_moving_labels(tmp_path: Path) -> None:
    shape, matrix = GRIDS["isotropic"]
    full = write(tmp_path / "labels.nii.gz", shape, affine_of(matrix, shape), lambda p: np.ones(p.shape[:-1]))
    image = image_on("isotropic", tmp_path / "image.nii.gz")
    wide = image_on("anisotropic", tmp_path / "wide.nii.gz")
    labels = read_labels(full, image=image)
    coordinates = coordinates_in(labels, grid=wide)
    ends = torch.tensor(shape).view(3, 1, 1, 1) - 0.5
    inside = ((coordinates > -0.5) & (coordinates < ends)).all(dim=0).numpy()
    assert 0 < inside.mean() < 1
    np.testing.assert_array_equal(read_labels_at(labels, coordinates) == 1, inside)


def labels_on(grid: str, path: Path) -> Path:
    shape, matrix = GRIDS[grid]
    return write(path, shape, affine_of(matrix, shape), lambda points: texture(points) > 700)


def test_the_command_applies_a_trial_and_prints_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed, moving = image_on("flipped", tmp_path / "fixed.nii.gz"), image_on("oblique", tmp_path / "moving.nii.gz")
    labels = [str(labels_on(grid, tmp_path / f"{grid}_labels.nii.gz")) for grid in ("flipped", "oblique")]
    out = tmp_path / "out"
    call = [str(fixed.path), str(moving.path), "--method", str(trained(tmp_path / "runs")), "--out", str(out)]
    call += ["--fixed-labels", labels[0], "--moving-labels", labels[1]]
    assert main(call) == 0
    printed = dict(line.split()[-2:] for line in capsys.readouterr().out.splitlines() if line.startswith("mean dice "))
    assert 0.3 < float(printed["dice"]) < 1
    expected = resampled_by_itk(fixed.path, moving.path, out / "displacement.nii.gz")
    error = np.abs(nib.Nifti1Image.from_filename(out / "warped.nii.gz").get_fdata() - expected) / np.ptp(moving.array)
    assert error.max() < 1e-3
    assert np.abs(nib.Nifti1Image.from_filename(out / "displacement.nii.gz").get_fdata()).max() > 0.1


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float64])
def test_a_label_that_16_bits_do_not_hold_is_named(
    dtype: type[np.generic], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(image_on("isotropic", tmp_path / "image.nii.gz").path)
    labels = tmp_path / "labels.nii.gz"
    array = np.zeros(GRIDS["isotropic"][0], dtype)
    array[2, 3, 4] = 40001
    nib.save(nib.Nifti1Image(array, nib.Nifti1Image.from_filename(image).affine), labels)
    call = [image, image, "--method", str(trained(tmp_path / "runs")), "--out", str(tmp_path / "out")]
    assert main([*call, "--fixed-labels", str(labels), "--moving-labels", str(labels)]) == 1
    message = f"fusemorph register: {labels}: labels must be whole numbers from 0 to 32767, got 40001"
    assert capsys.readouterr().err.splitlines() == [message]
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_finished_trial_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(image_on("isotropic", tmp_path / "image.nii.gz").path)
    assert main([image, image, "--method", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 1
    assert str(tmp_path / "nothing") in capsys.readouterr().err


def test_a_series_of_volumes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = image_on("isotropic", tmp_path / "image.nii.gz")
    series = tmp_path / "series.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((12, 12, 12, 2), np.float32), np.eye(4)), series)
    with pytest.raises(DataError, match=r"series\.nii\.gz"):
        read_image(series)
    assert main([str(image.path), str(series), "--method", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "series.nii.gz" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_of_one_image_alone_are_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["a.nii.gz", "b.nii.gz", "--method", "runs/key", "--out", str(tmp_path), "--fixed-labels", "c.nii.gz"])
    assert raised.value.code == 2
