"""Axes of an image whose header is wrong, told by another image of the same brain."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from scipy import ndimage

from fusemorph.data.listing import directions
from fusemorph.data.phantom import write_phantom
from fusemorph.data.turned import true_axes

REAL = Path(os.environ.get("FUSEMORPH_DATA") or Path(__file__).parents[3] / "shared" / "data") / "multi_atlas_2012"


@pytest.mark.parametrize("declared", ["LIA", "LSP", "RPS", "ASR", "PIR"])
def test_axes_are_found_whatever_the_header_tells(tmp_path: Path, declared: str) -> None:
    stored = "LIA" if np.linalg.det(directions(declared)) < 0 else "RIA"
    for name, axes, header in (("image", stored, declared), ("copy", "LAS", "LAS")):
        rng = np.random.default_rng(3)
        write_phantom(tmp_path / f"{name}.nii.gz", rng=rng, axes=axes, header_axes=header, stripped=True)
    assert true_axes(tmp_path / "image.nii.gz", tmp_path / "copy.nii.gz", cache=tmp_path / "cache") == stored


def test_directions_are_those_of_nibabel() -> None:
    for axes in ("RAS", "LIA", "PSR", "ILP"):
        affine = np.eye(4)
        affine[:3, :3] = directions(axes)
        assert "".join(nib.aff2axcodes(affine)) == axes


@pytest.mark.images
def test_axes_of_real_brains_are_found_by_a_copy_that_an_affine_map_has_deformed(tmp_path: Path) -> None:
    tilt, scale = np.deg2rad(10), np.diag([1.1, 0.92, 1.05])
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]) @ scale
    for number, (stored, header) in enumerate((("LIA", "LSP"), ("PSR", "LAS"), ("ASR", "LPS"))):
        path = sorted((REAL / "images").glob("*.nii.gz"))[number]
        brain = np.asarray(nib.as_closest_canonical(nib.Nifti1Image.from_filename(path)).dataobj, np.float32)[
            ::2, ::2, ::2
        ]
        turned = apply_orientation(brain, ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(stored))))
        affine = np.eye(4)
        affine[:3, :3] = directions(header) * 2
        nib.Nifti1Image(turned, affine).to_filename(tmp_path / f"{number}.nii")
        middle = np.array(brain.shape) / 2
        copy = ndimage.affine_transform(brain, turn, middle - turn @ [45, 54, 45], (91, 109, 91), order=1)
        nib.Nifti1Image(copy, np.diag([2.0, 2.0, 2.0, 1.0])).to_filename(tmp_path / f"{number}-copy.nii")
        found = true_axes(tmp_path / f"{number}.nii", tmp_path / f"{number}-copy.nii", cache=tmp_path / "cache")
        assert found == stored
