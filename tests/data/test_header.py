"""Where images lie, against what SimpleITK and nibabel read of the same files."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fusemorph.data import DataError
from fusemorph.data.header import Header
from fusemorph.data.nifti import read_header, unwritable, write_nifti
from tests.data.made_headers import apart_mm, random_affine, read_by_itk, write_raw

SHAPE = (8, 9, 10)
ARRAY = np.arange(720, dtype=np.float32).reshape(SHAPE)
STRAIGHT = np.array([[1.0, 0, 0, 10], [0, 2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])
MOVED = STRAIGHT + np.array([[0, 0, 0, 12.0], *np.zeros((3, 4))])


def read(path: Path) -> Header:
    header = read_header(path)
    itk = read_by_itk(path)
    assert (itk is None) == (header.itk is None)
    if itk is not None and header.itk is not None:
        assert apart_mm(itk, header.itk, SHAPE) < 1e-3 * max(1.0, np.abs(itk).max() / 1e3)
    return header


@pytest.mark.parametrize("sform_code", range(5))
@pytest.mark.parametrize("qform_code", range(5))
def test_the_form_is_the_one_that_itk_takes(sform_code: int, qform_code: int, tmp_path: Path) -> None:
    codes = {"sform_code": sform_code, "qform_code": qform_code}
    header = read(write_raw(tmp_path / "x.nii", ARRAY, sform=STRAIGHT, qform=MOVED, **codes))
    if sform_code == 0 and qform_code == 0:
        expected = np.diag([-1.0, -2, 3, 1])
    else:
        expected = STRAIGHT if sform_code == 1 or qform_code == 0 else MOVED
    np.testing.assert_allclose(header.affine, expected, atol=1e-5)
    assert header.nibabel is not None
    np.testing.assert_allclose(header.nibabel, nib.Nifti1Image.from_filename(tmp_path / "x.nii").affine, atol=1e-6)
    assert header.ambiguous == (sform_code > 1 and qform_code > 0)
    assert bool(header.notes()) == (header.ambiguous or not any(codes.values()))


@pytest.mark.parametrize("seed", range(60))
def test_generated_headers_are_read_as_itk_reads_them(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    sform = random_affine(rng, flipped=bool(rng.integers(2)))
    qform = sform.copy()
    kind = seed % 6
    if kind == 0:
        sform = np.round(sform, 3)
    elif kind == 1:
        sform[:3, 1] += rng.choice([1e-3, 0.1]) * sform[:3, 0]
    elif kind == 2:
        qform[:3, 3] += rng.normal(size=3) * rng.choice([0.01, 10])
    elif kind == 3:
        qform[:3, :3] = Rotation.from_rotvec(rng.normal(size=3) * 0.1).as_matrix() @ qform[:3, :3]
    elif kind == 4:
        qform = np.round(qform, 3)
    # The codes of two forms that are all but equal, of which ITK's choice follows from rounding, are left out.
    sform_code, qform_code = [(1, 0), (1, 2), (2, 0), (0, 3), (4, 0), (1, 1), (0, 1)][rng.integers(7)]
    units = int(rng.choice([0, 1, 2, 3, 10]))
    codes = {"sform_code": sform_code, "qform_code": qform_code, "xyzt_units": units}
    read(write_raw(tmp_path / "x.nii", ARRAY, sform=sform, qform=qform, **codes))


@pytest.mark.parametrize("pixdim", [0.0, -1.0, np.nan, np.inf, 2.0])
def test_sizes_of_voxels_that_say_nothing_are_read_as_itk_reads_them(pixdim: float, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.nii", ARRAY, sform=STRAIGHT, sform_code=1)
    content = bytearray(path.read_bytes())
    content[80:84] = np.float32(pixdim).tobytes()
    path.write_bytes(bytes(content))
    header = read(path)
    np.testing.assert_allclose(header.affine, STRAIGHT)
    assert header.ambiguous == (pixdim in (-1.0, 2.0))  # ITK mirrors or stretches it, nibabel does not


@pytest.mark.parametrize(("units", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (11, 0.001), (8, 1.0), (0, 1.0)])
def test_the_unit_of_the_header_becomes_millimetres(units: int, factor: float, tmp_path: Path) -> None:
    header = read(write_raw(tmp_path / "x.nii", ARRAY, sform=STRAIGHT, sform_code=1, xyzt_units=units))
    np.testing.assert_allclose(header.affine[:3], factor * STRAIGHT[:3])
    assert header.plain == (factor == 1)
    assert [note for note in header.notes() if "unit" in note] == [
        f"its unit is the {name}, taken as {factor:g} mm"
        for name, mm in (("metre", 1000), ("micron", 0.001))
        if mm == factor
    ]


def test_a_sheared_sform_alone_is_what_itk_does_not_read(tmp_path: Path) -> None:
    sheared = STRAIGHT.copy()
    sheared[0, 1] = 0.5
    alone = read(write_raw(tmp_path / "x.nii", ARRAY, sform=sheared, sform_code=1))
    assert alone.itk is None
    assert alone.ambiguous
    both = read(write_raw(tmp_path / "y.nii", ARRAY, sform=sheared, qform=STRAIGHT, sform_code=1, qform_code=1))
    assert both.itk is not None
    np.testing.assert_allclose(both.itk, STRAIGHT, atol=1e-5)
    assert both.ambiguous


def test_the_second_version_of_the_format_is_read(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.nii", ARRAY, sform=STRAIGHT, sform_code=1, kind=nib.Nifti2Image)
    np.testing.assert_array_equal(read_header(path).affine, STRAIGHT)


@pytest.mark.parametrize("angle", [1e-9, 1e-4, np.nan])
def test_an_affine_that_is_singular_but_for_rounding_is_refused(angle: float, tmp_path: Path) -> None:
    flat = STRAIGHT.copy()
    flat[:3, 1] = flat[:3, 0] + [0, angle, 0]
    with pytest.raises(DataError, match=r"x\.nii: the affine must be finite and invertible"):
        read_header(write_raw(tmp_path / "x.nii", ARRAY, sform=flat, sform_code=1))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_written_is_read_alike_in_both_forms_by_all(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    affine = random_affine(rng, flipped=bool(seed % 2))
    path = tmp_path / "x.nii.gz"
    assert unwritable(affine, SHAPE) is None
    write_nifti(path, ARRAY, affine)
    image = nib.Nifti1Image.from_filename(path)
    forms = [image.affine, image.header.get_sform(), image.header.get_qform(), read_by_itk(path)]
    assert max(apart_mm(form, affine, SHAPE) for form in forms) < 1e-3
    np.testing.assert_array_equal(image.get_fdata(), ARRAY)


@pytest.mark.parametrize(
    ("change", "shape", "reason"),
    [
        ((0, 1, 0.5), SHAPE, "not at right angles"),
        ((0, 3, 3e7), SHAPE, "7 digits"),
        ((0, 0, 1.0), (40000, 9, 10), "32767"),
        ((2, 1, 0.5), (8, 9), "not axial"),
    ],
)
def test_what_no_header_can_say_has_its_reason(
    change: tuple[int, int, float], shape: tuple[int, ...], reason: str
) -> None:
    affine = STRAIGHT.copy()
    affine[0, 3] = 0.1
    affine[change[0], change[1]] += change[2]
    if len(shape) == 2:
        affine[:3, :3] = Rotation.from_euler("x", 20, degrees=True).as_matrix() @ np.diag([1, 2, 3])
    assert reason in (unwritable(affine, shape) or "")
