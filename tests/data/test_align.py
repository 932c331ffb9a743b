"""The setting ``align=affine`` of every dataset of files, on textured ellipsoids that lie apart."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from fusemorph.data import DataError, Dataset, open_dataset
from fusemorph.data.datasets.hippocampus import Hippocampus
from fusemorph.grid import identity_grid
from tests.textured_pair import textured

SHAPE = (28, 32, 24)


def write(folder: Path, name: str, *, shift: float, degrees: float, spacing_mm: float, origin_mm: float) -> None:
    """The same body, turned and shifted by voxels of 1 mm, as an image at some spacing, and its two halves."""
    grid = identity_grid(SHAPE, dtype=torch.float64)
    middle = (torch.tensor(SHAPE, dtype=torch.float64).view(-1, 1, 1, 1) - 1) / 2
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])
    places = torch.einsum("ij,j...->i...", turn.double(), (grid - middle) * spacing_mm) + middle + shift
    image = textured(places, SHAPE)[0, 0].numpy()
    halves = (image > 1.5) * (1 + (places[1] > middle[1]).numpy())
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = origin_mm
    for part, array in (("images", image), ("labels", halves.astype(np.uint8))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(array, affine).to_filename(folder / part / f"{name}.nii.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "a", shift=0, degrees=0, spacing_mm=1.0, origin_mm=0)
    write(tmp_path, "b", shift=2, degrees=8, spacing_mm=1.0, origin_mm=400)
    write(tmp_path, "c", shift=-1, degrees=-6, spacing_mm=1.2, origin_mm=-70)
    write(tmp_path, "d", shift=1, degrees=4, spacing_mm=1.1, origin_mm=9)
    (tmp_path / "splits.csv").write_text("image,person,split\na,a,train\nb,b,train\nc,c,val\nd,d,val\n")
    return tmp_path


def opened(folder: Path, **settings: object) -> Dataset:
    return open_dataset("folder", folder, cache=folder / "cache", **({"spacing_mm": [1, 1, 1]} | settings))


def halves_dice(dataset: Dataset, first: str, second: str) -> float:
    first_labels, second_labels = (dataset.scan(scan_id).labels for scan_id in (first, second))
    assert first_labels is not None
    assert second_labels is not None
    return min(
        2
        * ((first_labels == v) & (second_labels == v)).sum()
        / ((first_labels == v).sum() + (second_labels == v).sum())
        for v in (1, 2)
    )


def test_scans_come_to_lie_on_the_first_of_train(folder: Path) -> None:
    apart, aligned = opened(folder), opened(folder, align="affine", shape=SHAPE)
    for scan_id in "bcd":
        assert halves_dice(apart, "a", scan_id) < 0.85
        assert halves_dice(aligned, "a", scan_id) > 0.95
        scan, reference = aligned.scan(scan_id), aligned.scan("a")
        assert np.array_equal(scan.affine, reference.affine)
        assert np.corrcoef(scan.image.ravel(), reference.image.ravel())[0, 1] > 0.97


def test_the_reference_stays_as_it_is(folder: Path) -> None:
    plain, aligned = (opened(folder, shape=SHAPE, align=align) for align in ("none", "affine"))
    assert np.array_equal(plain.scan("a").image, aligned.scan("a").image)
    assert not np.array_equal(plain.scan("b").image, aligned.scan("b").image)


def test_the_default_leaves_settings_and_fingerprint_as_they_were(folder: Path) -> None:
    plain = opened(folder)
    assert "align" not in plain.settings
    assert opened(folder, align="none").settings == plain.settings
    aligned = opened(folder, align="affine", shape=SHAPE)
    assert aligned.settings["align"] == "affine"
    assert aligned.fingerprint() != plain.fingerprint()


def test_a_change_of_the_reference_makes_the_others_anew(folder: Path) -> None:
    before = np.array(opened(folder, align="affine", shape=SHAPE).scan("c").image)
    write(folder, "a", shift=1.5, degrees=0, spacing_mm=1.0, origin_mm=0)
    assert not np.array_equal(opened(folder, align="affine", shape=SHAPE).scan("c").image, before)


def test_within_subjects_the_first_scan_of_each_is_the_reference(folder: Path) -> None:
    for name, degrees in (("a", 5.0), ("b", 13.0), ("c", 2.0), ("d", 9.0)):
        write(folder, f"{name}2", shift=1, degrees=degrees, spacing_mm=1.0, origin_mm=0)
    for name in "abcd":
        write(folder, name, shift=0, degrees=degrees, spacing_mm=1.0, origin_mm=0)
    rows = [f"{name}{n},{name},{'train' if name in 'ab' else 'val'}" for name in "abcd" for n in ("", "2")]
    (folder / "splits.csv").write_text("\n".join(["image,person,split", *rows]))
    dataset = opened(folder, task="intra", align="affine", shape=SHAPE)
    assert halves_dice(dataset, "c", "c2") > 0.95
    plain = opened(folder, task="intra", shape=SHAPE)
    assert np.array_equal(plain.scan("c").image, dataset.scan("c").image)


def test_what_would_leave_the_grid_is_named(folder: Path) -> None:
    labels = nib.Nifti1Image.from_filename(folder / "labels" / "c.nii.gz")
    array = np.asarray(labels.dataobj).copy()
    array[0, 0, 0] = 1
    nib.Nifti1Image(array, labels.affine).to_filename(folder / "labels" / "c.nii.gz")
    with pytest.raises(DataError, match=r"c\.nii\.gz: the grid .* would lose 1 label voxels after its alignment"):
        opened(folder, align="affine", shape=[22, 24, 20]).prepare()


def test_an_unknown_alignment_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="folder: 'align' must be one of none, affine, mni, got 'rigid'"):
        opened(folder, align="rigid")
    with pytest.raises(ValueError, match=r"settings of 'virtual_brains' must be among .*, got \['align'\]"):
        open_dataset("virtual_brains", align="affine")


def test_hippocampi_are_aligned_by_the_same_setting(tmp_path: Path) -> None:
    arguments = Hippocampus.example(tmp_path / "Task04_Hippocampus") | {"cache": tmp_path / "cache"}
    dataset = open_dataset("hippocampus", **(arguments | {"align": "affine", "shape": [32, 32, 32]}))
    reference, other = (dataset.scan(scan_id) for scan_id in ("hippocampus_001", "hippocampus_251"))
    assert np.array_equal(reference.affine, other.affine)
    assert other.labels is not None
    assert set(np.unique(other.labels)) == {0, 1, 2}
