"""``align=mni``: a brain elsewhere, turned and scaled, comes to lie on the MNI152 template."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from fusemorph.data import open_dataset
from fusemorph.data.datasets.hippocampus import Hippocampus
from fusemorph.data.datasets.multi_atlas import MultiAtlas
from fusemorph.data.preprocess import Volume, window
from fusemorph.data.template import centred_on_brain, mni_template, template_at
from fusemorph.data.world import read_at
from fusemorph.grid import identity_grid

SPACING_MM = (5.0, 5.0, 5.0)
SHAPE = (36, 44, 40)


def displaced(template: Volume, *, degrees: float, scale: float, shift: float) -> np.ndarray:
    """The template seen on its own grid after a turn about its middle, a scaling and a shift in voxels."""
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    grid = identity_grid(template.array.shape, dtype=torch.float64)
    middle = (torch.tensor(template.array.shape, dtype=torch.float64).view(-1, 1, 1, 1) - 1) / 2
    return read_at(template, torch.einsum("ij,j...->i...", turn.double() * scale, grid - middle) + middle + shift)


def test_brains_come_to_lie_on_the_template(tmp_path: Path) -> None:
    template = template_at(SPACING_MM)
    (tmp_path / "images").mkdir()
    seen = {"a": (8.0, 1.1, 1.0), "b": (-6.0, 0.95, -2.0), "c": (4.0, 1.0, 2.0), "d": (0.0, 1.05, 0.0)}
    for name, (degrees, scale, shift) in seen.items():
        array = displaced(template, degrees=degrees, scale=scale, shift=shift)
        nib.Nifti1Image(array, np.diag([*SPACING_MM, 1.0])).to_filename(tmp_path / "images" / f"{name}.nii.gz")
    (tmp_path / "splits.csv").write_text("image,person,split\na,a,train\nb,b,train\nc,c,val\nd,d,val\n")
    settings = {"shape": SHAPE, "spacing_mm": SPACING_MM}
    dataset, apart = (
        open_dataset("folder", tmp_path, cache=tmp_path / "cache", **settings, align=align) for align in ("mni", "none")
    )
    middle = window(template, start=centred_on_brain(template, SHAPE), shape=SHAPE)
    for scan_id in seen:
        scan = dataset.scan(scan_id)
        assert np.corrcoef(scan.image.ravel(), middle.array.ravel())[0, 1] > 0.97
        assert np.array_equal(scan.affine, middle.affine)
    assert dataset.fingerprint() != apart.fingerprint()
    assert dataset.settings["align"] == "mni"


def test_the_brain_lies_in_the_middle_of_the_grid_of_the_paper() -> None:
    template = mni_template()
    seen = np.argwhere(window(template, start=centred_on_brain(template, (144, 192, 160)), shape=(144, 192, 160)).array)
    margins = np.stack([seen.min(axis=0), np.asarray([143, 191, 159]) - seen.max(axis=0)])
    assert np.ptp(margins, axis=0).max() <= 1
    assert margins.max() <= 6


def test_other_parts_of_the_body_are_not_aligned_to_it(tmp_path: Path) -> None:
    Hippocampus.example(tmp_path)
    with pytest.raises(ValueError, match="hippocampus: 'align' must be one of none, affine, got 'mni'"):
        open_dataset("hippocampus", tmp_path, cache=tmp_path, align="mni")
    assert "mni" in MultiAtlas.alignments
