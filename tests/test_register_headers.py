"""What ``register`` makes of headers that readers take differently, of slices, and of its own inputs."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from fusemorph.cli import main
from tests.data.made_headers import read_by_itk, write_raw
from tests.textured_images import textured
from tests.trained_trial import trained


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return trained(tmp_path / "runs")


def registered(fixed: Path, moving: Path, runs: Path, *more: str) -> int:
    return main(["register", str(fixed), str(moving), "--method", str(runs), "--out", str(fixed.parent / "out"), *more])


STRAIGHT = np.diag([2.0, 2.0, 2.0, 1.0])


def apart_by(path: Path, shift_mm: float, *, sform_code: int, qform_code: int) -> Path:
    """The qform lies ``shift_mm`` from the sform, as coregistration leaves it that changes one alone."""
    moved = STRAIGHT.copy()
    moved[0, 3] += shift_mm
    codes = {"sform_code": sform_code, "qform_code": qform_code}
    return write_raw(path, textured((24, 24, 24), STRAIGHT), sform=STRAIGHT, qform=moved, **codes)


@pytest.mark.parametrize("sform_code", [2, 4])
def test_forms_that_differ_by_12_mm_are_refused_and_settled_by_an_option(
    sform_code: int, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = apart_by(tmp_path / "fixed.nii", 12.0, sform_code=sform_code, qform_code=1)
    moving = apart_by(tmp_path / "moving.nii", 0.0, sform_code=1, qform_code=1)
    assert registered(fixed, moving, runs) == 1
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 1
    for words in (
        "fixed.nii: ITK and nibabel place it 12 mm apart",
        "at (12, 0, 0) mm",
        "at (0, 0, 0) mm",
        "--header qform",
    ):
        assert words in messages[0]
    assert not (tmp_path / "out").exists()
    for form, at in (("sform", 0.0), ("qform", 12.0)):
        assert registered(fixed, moving, runs, "--header", form) == 0
        for name in ("warped", "displacement"):
            image = sitk.ReadImage(str(tmp_path / "out" / f"{name}.nii.gz"))
            np.testing.assert_allclose(image.GetOrigin(), [-at, 0, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "sform_code", "right"),
    [
        ({"srow_x": [0, 0, 0, 0], "srow_y": [0, 0, 0, 0], "srow_z": [0, 0, 0, 0]}, 1, "qform"),
        ({"srow_x": [0, 0, 0, 0], "srow_y": [0, 0, 0, 0], "srow_z": [0, 0, 0, 0]}, 2, "qform"),
        ({"srow_y": [np.nan] * 4}, 2, "qform"),
        ({"quatern_b": np.nan}, 2, "sform"),
        ({"qoffset_x": np.inf}, 3, "sform"),
    ],
)
def test_of_two_forms_the_one_that_cannot_be_is_refused_and_the_other_taken(
    fields: dict[str, Any], sform_code: int, right: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {"sform_code": sform_code, "qform_code": 1}
    image = textured((24, 24, 24), STRAIGHT)
    fixed = write_raw(tmp_path / "fixed.nii", image, sform=STRAIGHT, qform=STRAIGHT, **codes, **fields)
    wrong = {"qform": "sform", "sform": "qform"}[right]
    for more, words in (((), f"--header {right}"), (("--header", wrong), f"the {wrong} must be finite and invertible")):
        assert registered(fixed, fixed, runs, *more) == 1
        messages = capsys.readouterr().err.splitlines()
        assert len(messages) == 1
        assert str(fixed) in messages[0]
        assert words in messages[0]
        assert not (tmp_path / "out").exists()
    assert registered(fixed, fixed, runs, "--header", right) == 0
    np.testing.assert_array_equal(nib.Nifti1Image.from_filename(tmp_path / "out" / "warped.nii.gz").affine, STRAIGHT)


def test_forms_that_differ_by_rounding_are_noted(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = apart_by(tmp_path / "fixed.nii", 0.05, sform_code=2, qform_code=1)
    assert registered(fixed, apart_by(tmp_path / "moving.nii", 0.0, sform_code=1, qform_code=1), runs) == 0
    assert "fixed.nii: ITK and nibabel place it 0.05 mm apart; taken as ITK does" in capsys.readouterr().err


def test_an_image_without_forms_lies_where_itk_puts_it(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, moving = (
        apart_by(tmp_path / f"{name}.nii", 0.0, sform_code=0, qform_code=0) for name in ("fixed", "moving")
    )
    assert registered(fixed, moving, runs) == 0
    warning = f"warning: {fixed}: has neither sform nor qform (both codes are 0)"
    assert f"fusemorph register: {warning}" in capsys.readouterr().err
    expected = read_by_itk(fixed)
    assert expected is not None
    for written in (tmp_path / "out" / f"{name}.nii.gz" for name in ("warped", "displacement")):
        for affine in (nib.Nifti1Image.from_filename(written).affine, read_by_itk(written)):
            assert affine is not None
            np.testing.assert_allclose(affine[:3], expected[:3], atol=1e-5)


def test_a_sheared_grid_is_refused_before_anything_is_computed(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheared = STRAIGHT.copy()
    sheared[0, 1] = 0.6
    fixed = write_raw(tmp_path / "fixed.nii", textured((24, 24, 24), STRAIGHT), sform=sheared, sform_code=1)
    moving = apart_by(tmp_path / "moving.nii", 0.0, sform_code=1, qform_code=1)
    assert registered(fixed, moving, runs) == 1
    assert (
        "fixed.nii: its sform is sheared and it has no qform, so that ITK does not read it" in capsys.readouterr().err
    )
    assert registered(fixed, moving, runs, "--header", "sform") == 1
    assert "fixed.nii: its sform is sheared by" in capsys.readouterr().err
    assert registered(fixed, moving, runs, "--header", "qform") == 1
    assert "fixed.nii: has no qform (its code is 0), but sform" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["warped.nii.gz", "displacement.nii.gz", "link.nii.gz"])
def test_no_input_is_written_over(name: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    moving = apart_by(tmp_path / "moving.nii", 0.0, sform_code=1, qform_code=1)
    fixed = apart_by(out / name, 0.0, sform_code=1, qform_code=1)
    if name == "link.nii.gz":
        (out / "warped.nii.gz").symlink_to(fixed)
    before = fixed.read_bytes()
    for order in ((fixed, moving), (moving, fixed)):
        assert (
            main(["register", *map(str, order), "--method", str(runs), "--out", str(tmp_path / "x" / ".." / "out")])
            == 1
        )
        assert f"{name}: would be overwritten" in capsys.readouterr().err
    assert fixed.read_bytes() == before


def test_a_loop_of_links_is_no_folder_for_the_result(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_raw(tmp_path / "x.nii", textured((24, 24, 24), STRAIGHT), sform=STRAIGHT, sform_code=1)
    (tmp_path / "out").symlink_to("out")
    assert registered(image, image, runs) == 1
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 1
    assert str(tmp_path / "out") in messages[0]


@pytest.mark.parametrize("slices", [2, 5])
def test_few_slices_are_padded_as_in_a_data_set(slices: int, runs: Path, tmp_path: Path) -> None:
    thick = np.diag([2.0, 2.0, 8.0, 1.0])
    fixed, moving = (
        write_raw(tmp_path / f"{name}.nii", textured((24, 26, slices), thick), sform=thick, sform_code=1)
        for name in ("fixed", "moving")
    )
    assert registered(fixed, moving, trained(tmp_path / "thick", spacing_mm=8.0)) == 0
    assert registered(fixed, moving, runs) == 0
    assert nib.Nifti1Image.from_filename(tmp_path / "out" / "warped.nii.gz").shape == (24, 26, slices)


@pytest.mark.parametrize("shape", [(40, 36), (40, 36, 1), (40, 1, 36)])
def test_slices_are_registered_by_a_trial_on_slices(shape: tuple[int, ...], tmp_path: Path) -> None:
    fixed, moving = (
        write_raw(tmp_path / f"{name}.nii", textured(shape, STRAIGHT), sform=STRAIGHT, sform_code=1)
        for name in ("fixed", "moving")
    )
    assert registered(fixed, moving, trained(tmp_path / "plane", dims=2)) == 0
    out, dims = tmp_path / "out", len(shape)
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(out / "displacement.nii.gz"), sitk.sitkVectorFloat64))
    resampled = sitk.Resample(sitk.ReadImage(str(moving)), sitk.ReadImage(str(fixed)), field, sitk.sitkLinear)
    warped = nib.Nifti1Image.from_filename(out / "warped.nii.gz")
    assert warped.shape == shape
    slices = {2: (40, 36, 1), 3: (40, 36, 2) if shape[-1] == 1 else shape}[dims]
    assert nib.Nifti1Image.from_filename(out / "displacement.nii.gz").shape == (*slices, 1, dims)
    np.testing.assert_allclose(sitk.GetArrayFromImage(resampled).T, warped.get_fdata(), atol=0.5)


def test_scans_far_apart_are_aligned_as_those_of_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def blocks(shift_mm: float) -> np.ndarray:
        x, y, z = np.moveaxis(np.moveaxis(np.indices((36, 32, 30)), 0, -1) * 2.0 - 30, -1, 0)
        return (np.abs(x - shift_mm) < 15) * (np.abs(y) < 12) * (np.abs(z) < 10) * (1 + (x > shift_mm)).astype(np.int16)

    files = {}
    for name, shift in (("fixed", 0.0), ("moving", 14.0)):
        labels = blocks(shift)
        image = 100.0 * labels + textured(labels.shape, STRAIGHT) / 50
        files[name] = write_raw(tmp_path / f"{name}.nii", image.astype(np.float32), sform=STRAIGHT, sform_code=1)
        write_raw(tmp_path / f"{name}_labels.nii", labels, sform=STRAIGHT, sform_code=1)
    with_labels = [
        "--fixed-labels",
        str(tmp_path / "fixed_labels.nii"),
        "--moving-labels",
        str(tmp_path / "moving_labels.nii"),
    ]

    def dice(*more: str) -> tuple[float, str]:
        run = trained(tmp_path / "runs", strength=0.0, align="affine")
        assert registered(files["fixed"], files["moving"], run, *with_labels, *more) == 0
        output = capsys.readouterr()
        return float(
            next(line for line in output.out.splitlines() if line.startswith("mean dice ")).split()[-1]
        ), output.err

    apart, warning = dice("--start", "world")
    together, note = dice()
    assert apart < 0.6 < 0.95 < together
    assert "warning: the trial was trained on aligned scans (align=affine), and starts from world here" in warning
    assert "note: the moving image is aligned first (affine), as the trial's data were (align=affine)" in note


@pytest.mark.parametrize("align", ["template", ["affine"], {}])
def test_an_alignment_of_the_data_that_is_not_known_is_asked_for(
    align: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path / "runs", align=align)
    image = write_raw(tmp_path / "x.nii", textured((24, 24, 24), STRAIGHT), sform=STRAIGHT, sform_code=1)
    assert registered(image, image, run) == 1
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 1
    assert f"{run}: its data were aligned by {align!r}" in messages[0]
    assert not (tmp_path / "out").exists()
    assert registered(image, image, run, "--start", "centres") == 0
    assert "starts from centres here" in capsys.readouterr().err
