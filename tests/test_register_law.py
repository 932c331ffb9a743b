"""The law of headers: what ``register`` writes lies on the fixed image, for ITK and for nibabel, or is refused."""

from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from fusemorph.data import DataError
from fusemorph.data.dataset import Pair
from fusemorph.data.nifti import settle, unwritable
from fusemorph.data.preprocess import Volume, canonical, read_image
from fusemorph.data.world import LPS, positions_mm, pulled_from, read_at
from fusemorph.register import register_images
from fusemorph.registered import save
from tests.data.made_headers import apart_mm, random_affine, read_by_itk, write_raw
from tests.textured_images import textured

SHAPE = (14, 12, 10)
CODES = [(sform, qform) for sform in range(5) for qform in range(5)]


def wave(pair: Pair) -> Tensor:
    """A smooth displacement of a voxel or two, unlike along every axis."""
    axes = torch.meshgrid(*(torch.linspace(0, 3, side) for side in pair.fixed.image.shape), indexing="ij")
    return torch.stack([1.5 * torch.sin(axis + number) for number, axis in enumerate(axes)])[None]


def made(path: Path, rng: np.random.Generator, *, shape: tuple[int, ...], codes: tuple[int, int]) -> Path:
    """An image of any header that the field meets, near the same place."""
    dims = len(shape)
    affine = random_affine(rng, flipped=bool(rng.integers(2)))
    if dims == 2:  # a 2-D file lies in the axial plane for ITK
        affine[:3, :3] = Rotation.from_euler("z", rng.uniform(-180, 180), degrees=True).as_matrix() @ np.diag(
            [1.2, 2, 3]
        )
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray((*shape, 1)[:3]) - 1) / 2)
    sform, qform = affine.copy(), affine.copy()
    kind = rng.integers(6)
    if kind == 0:
        sform = np.round(sform, 3)
    elif kind == 1:
        sform[:3, 1] += 0.3 * sform[:3, 0]
    elif kind == 2:
        qform[:3, 3] += rng.normal(size=3) * rng.choice([1e-3, 0.02, 12])
    units = int(rng.choice([0, 1, 2, 3]))
    to_mm = {1: 1000.0, 3: 0.001}.get(units, 1.0)
    forms = {"sform": sform.copy(), "qform": qform.copy()}
    for form in forms.values():
        form[:3] /= to_mm
    dtype = rng.choice(["float32", "float64", "int16"])
    array = textured(shape, affine).astype(dtype)
    return write_raw(path, array, **forms, sform_code=codes[0], qform_code=codes[1], xyzt_units=units)


def by_rule(path: Path) -> np.ndarray:
    """Where the rule puts an image: the sform if its code is 1 or the qform's is 0, else the qform."""
    header = nib.Nifti1Image.from_filename(path).header
    codes = int(header["sform_code"]), int(header["qform_code"])
    if not any(codes):
        affine = np.diag([-1.0, -1, 1, 1]) @ np.diag([*np.asarray(header["pixdim"][1:4], float), 1])
    else:
        affine = header.get_sform() if codes[0] == 1 or codes[1] == 0 else header.get_qform()
    return np.diag([*[{1: 1000.0, 3: 0.001}.get(int(header["xyzt_units"]) & 7, 1.0)] * 3, 1]) @ affine


def law(fixed_path: Path, moving_path: Path, out: Path, *, dims: int) -> str:
    """Write a result, and compare where everything lies; the reason where the headers are refused."""
    try:
        fixed, moving = (
            read_image(path, dimensions=dims, smallest_side=2, place=settle) for path in (fixed_path, moving_path)
        )
        assert fixed.header is not None
        if reason := unwritable(fixed.header.affine, fixed.header.shape):
            return reason
    except DataError as error:
        return str(error)
    estimate = partial(
        register_images, estimate=wave, spacing_mm=(2.0,) * dims, percentiles=(1.0, 99.0), start="centres"
    )
    displacement_mm = estimate(fixed, moving)
    warped = read_at(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm))
    files = save(out, fixed=fixed, moving=moving, warped=warped, displacement_mm=displacement_mm)
    field = _compare(fixed, moving, files)
    _compare_landmarks(
        fixed, positions_mm(moving, pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm)), field
    )
    return ""


def _compare_landmarks(fixed: Volume, ends_mm: Tensor, field: sitk.DisplacementFieldTransform) -> None:
    """ITK maps landmarks of the fixed image, in the order of its file, to where each came from, in the plane of 2-D."""
    assert fixed.header is not None
    shape = fixed.header.shape
    places = canonical(fixed.header, np.arange(np.prod(shape)).reshape(shape)).array.ravel()
    inner = [place for place in range(0, places.size, 37) if _is_inner(np.unravel_index(places[place], shape), shape)]
    assert len(inner) > 1
    for place in inner:
        voxel = [*np.unravel_index(places[place], shape), 0][:3]
        landmark = LPS * (fixed.header.affine @ [*voxel, 1.0])[:3]
        end = LPS * ends_mm.reshape(3, -1)[:, place].numpy()
        away = np.subtract(field.TransformPoint(landmark[: len(shape)].tolist()), end[: len(shape)])
        assert np.linalg.norm(away) < 1e-2


def _is_inner(voxel: tuple[np.intp, ...], shape: tuple[int, ...]) -> bool:
    return all(0 < at < side - 1 for at, side in zip(voxel, shape, strict=True))


def _compare(fixed: Volume, moving: Volume, files: tuple[Path, Path]) -> sitk.DisplacementFieldTransform:
    place = by_rule(fixed.path)
    written = nib.Nifti1Image.from_filename(files[0])
    shape = written.shape
    assert fixed.header is not None
    if apart_mm(place, fixed.header.affine, shape) > 1e-3:  # rounded: the rule's form, and what ITK reads of it
        assert fixed.header.itk is not None
        place = fixed.header.itk
    for form in (written.affine, written.header.get_sform(), written.header.get_qform()):
        assert apart_mm(form, place, shape) < 1e-3
    dims = len(shape)
    of_itk = np.eye(4)
    read = read_by_itk(files[0])
    assert read is not None
    of_itk[:dims, :dims], of_itk[:dims, 3] = (read[:dims, part] for part in (slice(dims), dims))
    planar = place.copy()
    planar[dims:], planar[:, dims:3] = np.eye(4)[dims:], np.eye(4)[:, dims:3]
    planar[:dims, 3] = place[:dims, 3]
    assert apart_mm(of_itk, planar, shape) < 1e-3
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(files[1]), sitk.sitkVectorFloat64))
    image = sitk.ReadImage(str(moving.path), sitk.sitkFloat64)
    resampled = sitk.Resample(image, sitk.ReadImage(str(files[0])), field, sitk.sitkLinear, 0.0, sitk.sitkFloat64)
    values = sitk.GetArrayFromImage(resampled).T
    beyond = np.abs(values - np.asarray(written.dataobj)) > 1e-3 * np.ptp(moving.array)
    assert beyond.mean() < 0.02  # half a voxel outside, where rounding decides
    assert np.ptp(np.asarray(written.dataobj)) > 50
    return field


@pytest.mark.parametrize("case", range(50))
def test_the_law_of_headers(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(case)
    dims = 2 if case % 5 == 4 else 3
    first, second = paths = [
        made(tmp_path / f"{name}.nii", rng, shape=SHAPE[:dims], codes=codes)
        for name, codes in (("fixed", CODES[case % 25]), ("moving", [(1, 1), (1, 0), (0, 1)][case % 3]))
    ]
    reason = law(first, second, tmp_path / "out", dims=dims)
    if reason:
        assert not (tmp_path / "out").exists()
        refused = next(path for path in paths if str(path) in reason) if ".nii" in reason else paths[0]
        itk = read_by_itk(refused)
        nibabel = nib.Nifti1Image.from_filename(refused).affine * np.array([[_unit(refused)]] * 3 + [[1]])
        apart = itk is None or dims == 2 or apart_mm(itk, nibabel, SHAPE[:dims]) > 0.05
        assert apart, reason


def _unit(path: Path) -> float:
    return {1: 1000.0, 3: 0.001}.get(int(nib.Nifti1Image.from_filename(path).header["xyzt_units"]) & 7, 1.0)
