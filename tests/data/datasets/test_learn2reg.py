"""Tasks of Learn2Reg as published, and the submission that its evaluation takes."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from experiments.export import main as export
from experiments.sweep import main
from fusemorph.data import DataError, open_dataset
from fusemorph.data.datasets.learn2reg import Learn2Reg
from fusemorph.metrics import hd95_l2r_vox
from fusemorph.storage import read_table
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.load import load_trial


def test_declared_pairs_masks_and_keypoints_are_those_of_the_task(tmp_path: Path) -> None:
    dataset = open_dataset("learn2reg", cache=tmp_path / "cache", **Learn2Reg.example(tmp_path / "task"))
    assert dataset.labels == {1: "left", 2: "right"}
    assert [pair.name for pair in dataset.pairs("val")] == [
        "Made_0005_0000<-Made_0006_0000",
        "Made_0006_0000<-Made_0007_0000",
        "Made_0006_0000<-Made_0005_0000",
        "Made_0007_0000<-Made_0006_0000",
    ]
    assert set(dataset.scan_ids("train")) == {f"Made_{case:04d}_0000" for case in range(1, 5)}
    scan = dataset.scan("Made_0005_0000")
    points = np.loadtxt(tmp_path / "task/keypointsTr/Made_0005_0000.csv", delimiter=",")
    stored = nib.Nifti1Image.from_filename(tmp_path / "task/imagesTr/Made_0005_0000.nii.gz")
    assert stored.affine is not None
    assert scan.landmarks is not None
    ours = scan.landmarks @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    np.testing.assert_allclose(ours, points @ stored.affine[:3, :3].T + stored.affine[:3, 3], atol=1e-6)
    assert scan.mask is not None
    assert 0 < scan.mask.mean() < 1


def test_pairs_within_subjects_are_trained_on_as_declared(tmp_path: Path) -> None:
    dataset = open_dataset(
        "learn2reg", cache=tmp_path / "cache", **Learn2Reg.example(tmp_path, layout="within subjects")
    )
    assert dataset.within_subjects
    pair = dataset.training_pair(np.random.default_rng(0))
    assert (pair.fixed.subject, pair.fixed.id[-4:]) == (pair.moving.subject, "0000")


def test_the_published_evaluation_gives_our_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Learn2Reg.example(tmp_path / "task")["data"] / "Made_dataset.json"
    runs, out, arm = tmp_path / "runs", tmp_path / "submission", "C2F joint"
    line = ["quickstart", "--dataset", "learn2reg", "--data", f"learn2reg={data}", "--budget", "smoke"]
    places = ["--cache", str(tmp_path / "cache")]
    line += ["--arm", arm, "--label-warp", "nearest", "--name", "task", "--runs", str(runs), *places]
    assert main(line) == 0, capsys.readouterr().err
    (place,) = runs.glob("*/eval/test-nearest")
    assert json.loads((place / "summary.json").read_text())["label_warp"] == "nearest"
    words = [str(runs), "task", str(out), "--format", "learn2reg", "--data", str(data), *places]
    assert export([*words, "--arm", arm]) == 0, capsys.readouterr().err
    written = {path.name for path in out.iterdir()}
    assert written == {f"disp_{pair}.nii.gz" for pair in ("0005_0006", "0006_0005", "0006_0007", "0007_0006")}
    assert export([*words, "--arm", arm]) == 2  # never overwritten
    assert export(words) == 2
    dataset = open_dataset("learn2reg", data, cache=tmp_path / "cache")
    folder = place.parent.parent
    whole = _val_figures(folder, dataset, tmp_path)
    within = _val_figures(folder, open_dataset("learn2reg", data, cache=tmp_path / "cache", masked="metrics"), tmp_path)
    for index in dataset.pairs("val"):
        field = np.asarray(_stored(out / f"disp_{index.fixed[5:9]}_{index.moving[5:9]}.nii.gz"))
        published = as_published(field, data.parent, index.fixed, index.moving)
        for name, value in published.items():
            assert whole[index.name][name] == pytest.approx(value, abs=1e-4), name
        masked = np.asarray(_stored(data.parent / "masksTr" / f"{index.fixed}.nii.gz")) > 0
        assert within[index.name]["sdlogj_l2r"] == pytest.approx(smoothness(field, masked), abs=1e-4)


def as_published(field: np.ndarray, task: Path, fixed: str, moving: str) -> dict[str, float]:
    """Figures of a displacement of a submission, by what github.com/MDL-UzL/L2R (evaluation) computes.

    Labels are read at the nearest voxel, 0 outside the grid; at landmarks the displacement by cubic splines, 0 outside;
    all other metrics are of whole images.
    """
    labels = [np.asarray(_stored(task / "labelsTr" / f"{name}.nii.gz")) for name in (fixed, moving)]
    assert field.shape == (*labels[0].shape, 3)
    warped = map_coordinates(labels[1], np.moveaxis(field, -1, 0) + np.indices(labels[0].shape), order=0)
    dice = [
        2 * np.sum((labels[0] == n) & (warped == n)) / (np.sum(labels[0] == n) + np.sum(warped == n)) for n in (1, 2)
    ]
    points = [np.loadtxt(task / "keypointsTr" / f"{name}.csv", delimiter=",") for name in (fixed, moving)]
    moved = points[0] + np.stack([map_coordinates(field[..., axis], points[0].T) for axis in range(3)], axis=1)
    spacing_mm = nib.Nifti1Image.from_filename(task / "imagesTr" / f"{moving}.nii.gz").header.get_zooms()[:3]
    errors = np.linalg.norm((moved - points[1]) * spacing_mm, axis=1)
    everywhere = np.ones(labels[0].shape, bool)
    distances = hd95_l2r_vox(labels[0], warped, moving_labels=labels[1], labels=(1, 2))  # see tests/metrics
    return {
        "dice": float(np.mean(dice)),
        "tre_mm": float(errors.mean()),
        "hd95_l2r_vox": float(np.mean(distances)),
        "sdlogj_l2r": smoothness(field, everywhere),
    }


def smoothness(field: np.ndarray, mask: np.ndarray) -> float:
    """The deviation of the log of determinants plus 3, at least 1e-9, over a mask less a border of 2 voxels."""
    slopes = [np.stack(np.gradient(field[..., axis].astype(float)), axis=-1) for axis in range(3)]
    determinants = np.linalg.det(np.stack(slopes, axis=-2) + np.eye(3)) + 3
    inner = (slice(2, -2),) * 3
    return float(np.log(np.clip(determinants[inner], 1e-9, 1e9))[mask[inner]].std())


def _stored(path: Path) -> Any:
    return nib.Nifti1Image.from_filename(path).dataobj


def _val_figures(folder: Path, dataset: Any, tmp_path: Path) -> dict[str, dict[str, float]]:
    """Figures of the val pairs, labels warped by nearest neighbour, as the project evaluates them."""
    method, network, _ = load_trial(folder)
    files = evaluate(method, network, dataset, "val", device=torch.device("cpu"), viewed=False, label_warp="nearest")
    (tmp_path / "pairs.csv").write_bytes(files["pairs.csv"])
    names = ("dice", "tre_mm", "sdlogj_l2r", "hd95_l2r_vox")
    return {row["pair"]: {name: float(row[name]) for name in names} for row in read_table(tmp_path / "pairs.csv")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda task: task.pop("registration_val"), "'registration_val' must list the pairs"),
        (
            lambda task: task["training"].append({"image": "./imagesTr/Made_0099_0000.nii.gz"}),
            "Made_0099_0000.nii.gz, which",
        ),
        (lambda task: task["registration_val"].append({"fixed": 3}), "'registration_val' must be a list of pairs"),
        (lambda task: task.pop("training"), "must be a TASK_dataset.json of Learn2Reg"),
    ],
)
def test_a_wrong_task_is_named(change: Any, message: str, tmp_path: Path) -> None:
    path = Learn2Reg.example(tmp_path)["data"] / "Made_dataset.json"
    task = json.loads(path.read_text())
    change(task)
    path.write_text(json.dumps(task))
    with pytest.raises(DataError, match=message):
        open_dataset("learn2reg", path, cache=tmp_path / "cache")


def test_a_folder_without_a_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold one TASK_dataset.json, holds none"):
        open_dataset("learn2reg", tmp_path, cache=tmp_path / "cache")
