"""Reading and resampling against nibabel and by hand."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to
from scipy import ndimage

from fusemorph.data import DataError
from fusemorph.data.preprocess import Volume, centred_start, normalised, read_image, read_labels, resample, window

RNG = np.random.default_rng(0)
SMOOTH = ndimage.gaussian_filter(RNG.standard_normal((20, 22, 24)), 2).astype(np.float32)


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.Nifti1Image(array, np.eye(4) if affine is None else affine).to_filename(path)
    return path


def volume(array: np.ndarray, *spacing_mm: float) -> Volume:
    return Volume(path=Path("x"), array=array, affine=np.diag([*spacing_mm, 1.0]), spacing_mm=spacing_mm)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL"])
def test_every_orientation_reads_as_the_same_volume(tmp_path: Path, orientation: str) -> None:
    image = nib.Nifti1Image(SMOOTH, np.diag([1.0, 2.0, 3.0, 1.0]))
    turned = image.as_reoriented(nib.orientations.axcodes2ornt(orientation))
    assert nib.aff2axcodes(turned.affine) != tuple("RAS") or orientation == "RAS"
    turned.to_filename(tmp_path / "x.nii.gz")
    read = read_image(tmp_path / "x.nii.gz")
    assert np.array_equal(read.array, SMOOTH)
    assert np.allclose(read.affine, image.affine)
    assert read.spacing_mm == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("shape", [(20, 22), (20, 22, 1), (20, 22, 1, 1)])
def test_a_single_slice_is_a_2d_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "x.nii", SMOOTH[..., 0].reshape(shape), np.diag([2.0, 3.0, 9.0, 1.0]))
    read = read_image(path, dimensions=2)
    assert read.array.shape == (20, 22)
    assert read.spacing_mm == (2.0, 3.0)
    assert np.allclose(read.affine, np.diag([2.0, 3.0, 1.0]))


def test_a_stored_slope_is_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image((100 * SMOOTH).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 3.0)
    image.to_filename(tmp_path / "x.nii.gz")
    assert np.allclose(read_image(tmp_path / "x.nii.gz").array, image.get_fdata() * 0.5 + 3, atol=0.01)


@pytest.mark.parametrize("spacing_mm", [(0.7, 1.0, 1.3), (1.0, 1.0, 1.0)])
def test_finer_spacing_equals_nibabels_linear_resampling(spacing_mm: tuple[float, ...]) -> None:
    original = volume(SMOOTH, 1.5, 2.0, 1.3)
    ours = resample(original, spacing_mm)
    image = nib.Nifti1Image(SMOOTH, original.affine)
    reference = resample_from_to(image, (ours.array.shape, ours.affine), order=1, mode="nearest").get_fdata()
    assert np.allclose(ours.array, reference, atol=1e-5)
    assert ours.spacing_mm == spacing_mm


def test_coarser_spacing_keeps_the_centre_and_smooths_first() -> None:
    original = volume(SMOOTH, 1.0, 1.0, 1.0)
    ours = resample(original, (2.0, 2.0, 2.0))
    assert ours.array.shape == (10, 11, 12)
    centre = [*(np.asarray(SMOOTH.shape) - 1) / 2, 1]
    assert np.allclose(ours.affine @ [*(np.asarray(ours.array.shape) - 1) / 2, 1], original.affine @ centre)
    noise = volume(RNG.standard_normal((32, 32, 32)).astype(np.float32), 1.0, 1.0, 1.0)
    assert resample(noise, (2.0, 2.0, 2.0)).array.std() < 0.2


def test_labels_are_resampled_by_their_nearest_voxel() -> None:
    labels = volume(
        np.repeat(np.array([0, 3, 7, 0], np.int16), 4)[:, None, None] * np.ones((1, 8, 8), np.int16), 1.0, 1.0, 1.0
    )
    finer = resample(labels, (0.5, 1.0, 1.0))
    assert finer.array.dtype == np.int16
    assert np.array_equal(finer.array[:, 0, 0], np.repeat([0, 3, 7, 0], 8))


def test_intensities_are_clipped_at_percentiles_of_what_is_not_background() -> None:
    image = np.zeros(1000, np.float32)
    image[:101] = np.arange(100, 201)
    scaled = normalised(image, (10.0, 90.0))
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert scaled[50] == pytest.approx((150 - 110) / 80)
    assert (scaled[101:] == 0).all()
    assert np.allclose(normalised(1e6 * image, (10.0, 90.0)), scaled)
    assert np.array_equal(np.unique(normalised(np.array([0, 0, 5], np.float32), (1.0, 99.0))), [0, 1])


@pytest.mark.parametrize("shape", [(24, 24, 24), (30, 25, 20), (18, 22, 40)])
def test_a_window_keeps_voxels_where_they_were_in_the_world(shape: tuple[int, ...]) -> None:
    original = volume(SMOOTH, 1.0, 2.0, 3.0)
    placed = window(original, start=centred_start(SMOOTH.shape, shape), shape=shape)
    assert placed.array.shape == shape
    index = np.asarray(shape) // 2
    world = placed.affine @ [*index, 1]
    before = np.rint(np.linalg.solve(original.affine, world)[:3]).astype(int)
    assert placed.array[tuple(index)] == SMOOTH[tuple(before)]
    larger = np.maximum(shape, SMOOTH.shape).tolist()
    around = window(original, start=centred_start(SMOOTH.shape, larger), shape=larger)
    assert around.array.sum() == pytest.approx(SMOOTH.sum(), abs=1e-2)


def test_a_window_never_loses_a_label() -> None:
    labels = np.zeros((20, 20, 20), np.int16)
    labels[1, 10, 10] = 1
    grid = Volume(path=Path("seg.nii.gz"), array=labels, affine=np.eye(4), spacing_mm=(1.0, 1.0, 1.0))
    assert window(grid, start=(1, 0, 0), shape=(16, 20, 20)).array.sum() == 1
    with pytest.raises(DataError, match=r"seg.nii.gz: the grid \(16, 20, 20\) would lose 1 label voxels"):
        window(grid, start=(2, 0, 0), shape=(16, 20, 20))


def test_labels_beyond_the_known_are_named(tmp_path: Path) -> None:
    image = replace(volume(SMOOTH, 1.0, 1.0, 1.0), path=tmp_path / "image.nii")
    path = write(tmp_path / "labels.nii", (SMOOTH > 0).astype(np.uint8) * 9)
    with pytest.raises(DataError, match=r"labels.nii: labels must be among \[0, 1, 2\], got \[9\] as well"):
        read_labels(path, image=image, allowed=(1, 2))
    path = write(tmp_path / "labels.nii", -(SMOOTH > 0).astype(np.int16))
    with pytest.raises(DataError, match=r"labels.nii: labels must be whole numbers"):
        read_labels(path, image=image)


def test_an_affine_that_maps_to_nowhere_is_named(tmp_path: Path) -> None:
    image = nib.Nifti1Image(SMOOTH, None)
    image.header.set_sform(np.diag([1.0, 0.0, 1.0, 1.0]), code=1)
    nib.save(image, tmp_path / "x.nii")
    with pytest.raises(DataError, match=r"x.nii: the affine must be finite and invertible"):
        read_image(tmp_path / "x.nii")


@pytest.mark.parametrize("offset", range(0, 348, 2))
def test_a_corrupt_header_reads_or_is_named(tmp_path: Path, offset: int) -> None:
    path = write(tmp_path / "x.nii", SMOOTH[:9, :9, :9])
    content = path.read_bytes()
    for damage in (b"\xff\xff", b"\x7f\x80", b"\x80\x7f", b"\x00\x80"):
        path.write_bytes(content[:offset] + damage + content[offset + 2 :])
        message = f"{path}: "
        try:
            read_image(path)
        except DataError as error:
            message = str(error)
        assert message.startswith(f"{path}: ")
