"""What is not trained, on a textured pair whose map is known, deformable methods after their own affine step."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from fusemorph.data.dataset import Pair, Scan
from fusemorph.external import ExternalMethod
from fusemorph.method import known_methods, load_method
from tests.textured_pair import endpoint_error, matrix, pair

CPU = torch.device("cpu")
NONE_OF_THEM = {"identity", "oracle", "instance_optimisation"}
METHODS = {name: load_method({"name": name}) for name in known_methods() if name not in NONE_OF_THEM}
GRIDS = [((40, 44, 36), 1.0), ((40, 44, 24), 2.0), ((48, 40), 1.5)]
# SimpleITK is among the packages of the tests; the others are installed by ``nox -s classical``.
CASES = [
    pytest.param(
        name, shape, spacing,
        marks=pytest.mark.classical if isinstance(method, ExternalMethod) and name != "demons" else [],
    )
    for name, method in METHODS.items()
    for shape, spacing in GRIDS
    if method.objective is None and len(shape) in getattr(method, "dims", (2, 3))
]  # fmt: skip


def make_pair(fixed: torch.Tensor, moving: torch.Tensor, spacing_mm: tuple[float, ...]) -> Pair:
    top = float(moving.max())
    scans = [
        Scan(
            id=name, subject=name, image=(image[0, 0] / top).numpy(), labels=None, spacing_mm=spacing_mm,
            affine=np.eye(len(spacing_mm) + 1),
        )
        for name, image in (("fixed", fixed), ("moving", moving))
    ]  # fmt: skip
    return Pair(split="val", fixed=scans[0], moving=scans[1], block="0")


@pytest.mark.parametrize(("name", "shape", "spacing"), CASES)
def test_a_shift_turn_and_scale_are_found_to_half_a_voxel(name: str, shape: tuple[int, ...], spacing: float) -> None:
    truth = matrix(shape, shift=3.0, degrees=3.0, scale=1.05, spacing_mm=spacing)
    fixed, moving, mask = pair(shape, truth, spacing)
    images = make_pair(fixed, moving, (1.0,) * (len(shape) - 1) + (spacing,))
    still = torch.zeros(1, len(shape), *shape)
    assert endpoint_error(still, truth, mask) > 3
    found = load_method({"name": name}).register(images, network=None, device=CPU)
    assert endpoint_error(found, truth, mask) < 0.5


def test_niftyreg_reads_its_displacements_as_ras_millimetres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What reg_transform -disp writes by its documentation: fields (i, j, k, 1, 3) in millimetres of world space (RAS).
    shape, spacing_mm = (12, 10, 14), (1.0, 2.0, 0.5)
    field = np.broadcast_to(np.array([1.0, 2.0, 3.0], np.float32), (*shape, 1, 3))
    nib.Nifti1Image(np.ascontiguousarray(field), np.diag([*spacing_mm, 1.0])).to_filename(tmp_path / "written.nii")
    for name in ("reg_aladin", "reg_f3d"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "reg_transform").write_text(f'#!/bin/sh\ncp "{tmp_path}/written.nii" "$5"\n')
    for script in tmp_path.glob("reg_*"):
        script.chmod(0o755)
    monkeypatch.setenv("FUSEMORPH_NIFTYREG", str(tmp_path))
    fixed, moving = torch.rand(2, 1, 1, *shape)
    images = make_pair(fixed, moving, spacing_mm)
    found = load_method({"name": "niftyreg"}).register(images, network=None, device=CPU)
    torch.testing.assert_close(found, torch.tensor([1.0, 1.0, 6.0]).view(1, 3, 1, 1, 1).expand(1, 3, *shape))
