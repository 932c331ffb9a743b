"""``fusemorph register`` of a network that segments: label maps of both images, on their own grids."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from fusemorph.data.dataset import Pair, Scan
from fusemorph.data.preprocess import Volume
from fusemorph.networks.registration import Registration
from fusemorph.register import main
from fusemorph.segmented import SEGMENTATIONS, labels_of, segment
from tests.test_register import affine_of, image_on
from tests.trained_trial import trained

SEMI = {"segmentation": "loss", "labels": [3, 7]}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs"), method=SEMI)


def write_labels(path: Path, image: Volume, values: tuple[int, ...]) -> Path:
    on_disk = nib.Nifti1Image.from_filename(image.path)
    array = np.resize(np.array(values, np.int16), on_disk.shape)
    nib.save(nib.Nifti1Image(array, on_disk.affine), path)
    return path


def test_label_maps_of_both_images_are_written_with_their_headers(
    trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, moving = (image_on(grid, tmp_path / f"{grid}.nii.gz") for grid in ("oblique", "permuted"))
    labels = [write_labels(tmp_path / f"labels{n}.nii.gz", image, (0, 3, 7)) for n, image in enumerate((fixed, moving))]
    call = [str(fixed.path), str(moving.path), "--method", str(trial), "--out", str(tmp_path / "out")]
    assert main([*call, "--fixed-labels", str(labels[0]), "--moving-labels", str(labels[1])]) == 0
    output = capsys.readouterr().out
    for name, image in zip(SEGMENTATIONS, (fixed, moving, fixed), strict=True):
        written = nib.Nifti1Image.from_filename(tmp_path / "out" / name)
        stored = nib.Nifti1Image.from_filename(image.path)
        assert written.get_data_dtype() == np.int16
        assert written.shape == stored.shape
        np.testing.assert_allclose(written.affine, stored.affine, atol=1e-5)
        assert set(np.unique(written.get_fdata())) <= {0, 3, 7}
        assert name in output
    assert "mean fixed_segmentation_dice" in output
    assert "mean moving_segmentation_dice" in output


def test_a_label_that_the_trial_does_not_know_names_its_file(
    trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = image_on("isotropic", tmp_path / "image.nii.gz")
    good, bad = (write_labels(tmp_path / f"{n}.nii.gz", image, values) for n, values in enumerate(((0, 3), (0, 3, 9))))
    call = [str(image.path), str(image.path), "--method", str(trial), "--out", str(tmp_path / "out")]
    assert main([*call, "--fixed-labels", str(good), "--moving-labels", str(bad)]) == 1
    error = capsys.readouterr().err
    assert str(bad) in error
    assert "[0, 3, 7], got [9] as well" in error


def test_predictions_are_read_where_the_image_lies_and_are_background_elsewhere() -> None:
    """Of a network grid of 2 mm whose left half is label 7: onto a finer grid that reaches beyond it."""
    affine = affine_of(np.diag([2.0, 2.0, 2.0]), (8, 8, 8))
    logits = torch.zeros(1, 3, 8, 8, 8)
    logits[:, 2, :4], logits[:, 0, 4:] = 9.0, 9.0
    scans = [
        Scan(id=name, subject=name, image=np.zeros((8, 8, 8), np.float32), labels=None, spacing_mm=(2.0,) * 3,
             affine=affine)
        for name in ("fixed", "moving")
    ]  # fmt: skip
    pair = Pair(split="", fixed=scans[0], moving=scans[1], block="")
    grid = Volume(
        path=Path("image.nii.gz"), array=np.zeros((24, 24, 24), np.float32), spacing_mm=(1.0,) * 3,
        affine=affine_of(np.eye(3), (24, 24, 24)),
    )  # fmt: skip
    still = torch.zeros(3, 24, 24, 24)
    registration = Registration(displacement=torch.zeros(1, 3, 8, 8, 8), segmentation=(logits, logits))
    fixed, moving, warped = segment(pair, registration, fixed=grid, moving=grid, displacement_mm=still, labels=(3, 7))
    due = np.zeros((24, 24, 24), np.int16)
    due[4:12, 4:20, 4:20] = 7
    np.testing.assert_array_equal(fixed, due)
    np.testing.assert_array_equal(moving, due)
    np.testing.assert_array_equal(warped, due)


def test_a_network_that_does_not_segment_leaves_no_label_maps(tmp_path: Path) -> None:
    image = image_on("isotropic", tmp_path / "image.nii.gz")
    folder = trained(tmp_path / "runs")
    assert main([str(image.path), str(image.path), "--method", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["displacement.nii.gz", "warped.nii.gz"]


def test_labels_are_those_of_what_segments() -> None:
    from baselines.instance_optimisation import InstanceOptimisation
    from fusemorph.fusion.method import Fusion

    semi = Fusion(segmentation="all", labels=(2, 4))
    assert labels_of(semi) == labels_of(InstanceOptimisation(of=semi)) == (2, 4)
    assert labels_of(Fusion()) == ()
