"""Landmarks and masks beside the images of a folder: where they lie, and what is measured by them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from baselines.identity import Identity
from experiments.sweep import main
from fusemorph.data import DataError, Dataset, open_dataset
from fusemorph.metrics import folding_fraction
from fusemorph.storage import parse_table
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.measures import measure_landmarks, measure_pair
from reports.page import write_report
from reports.records import NothingToReportError

SHAPE = (26, 24, 28)
SPACING_MM = (1.5, 1.0, 2.0)
SHIFT_MM = np.array([3.0, -2.0, 1.0])
"""From a landmark of the first image of a subject to that of the second, RAS."""


def turned() -> np.ndarray:
    """An affine with axes L, P, S in another order, turned by 0.2 about the third."""
    c, s = np.cos(0.2), np.sin(0.2)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, -c, -s], [-1, 0, 0], [0, -s, c]]) @ np.diag(SPACING_MM)
    affine[:3, 3] = (20.0, 15.0, -22.0)
    return affine


def points_mm() -> np.ndarray:
    voxels = np.random.default_rng(1).uniform(7, np.array(SHAPE) - 8, size=(12, 3))
    return voxels @ turned()[:3, :3].T + turned()[:3, 3]


def write(path: Path, points: np.ndarray, form: str) -> None:
    """RAS points in one of the forms that a file of landmarks may have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lps = points * (-1, -1, 1)
    voxels = np.linalg.solve(turned()[:3, :3], (points - turned()[:3, 3]).T).T
    if form in ("ras", "lps", "voxels"):
        header = {"voxels": "i,j,k", "ras": "x_ras_mm,y_ras_mm,z_ras_mm", "lps": "name,x_lps_mm,y_lps_mm,z_lps_mm"}
        rows = {"voxels": voxels, "ras": points, "lps": lps}[form].tolist()
        lines = [",".join([*(["p"] if form == "lps" else []), *(repr(each) for each in row)]) for row in rows]
        path.with_suffix(".csv").write_text("\n".join([header[form], *lines]))
        return
    slicer = {"coordinateSystem": "LPS", "controlPoints": [{"position": row} for row in lps.tolist()]}
    content: dict[str, Any] = {"markups": [slicer]} if form == "slicer" else {"space": "ras", "points": points.tolist()}
    path.with_suffix(".json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Two images of each of six subjects; what stands at a landmark in the first is ``SHIFT_MM`` away in the second."""

    def fill(form: str = "voxels", *, masks: bool = False) -> Path:
        rng, rows = np.random.default_rng(0), ["image,person,split"]
        for number, split in enumerate(("train", "train", "val", "val", "test", "test")):
            for time in (0, 1):
                name, image = f"s{number}t{time}", rng.random(SHAPE).astype(np.float32) + 1
                for part in ("images", "masks")[: 1 + masks]:
                    (tmp_path / part).mkdir(exist_ok=True)
                    array = image if part == "images" else (np.arange(SHAPE[0])[:, None, None] < 13) * np.ones(SHAPE)
                    nib.save(nib.Nifti1Image(array.astype(np.float32), turned()), tmp_path / part / f"{name}.nii.gz")
                write(tmp_path / "landmarks" / name, points_mm() + time * SHIFT_MM, form)
                rows.append(f"{name}.nii.gz,p{number},{split}")
        (tmp_path / "splits.csv").write_text("\n".join(rows))
        return tmp_path

    return fill


def opened(folder: Path, **settings: Any) -> Dataset:
    return open_dataset("folder", folder, cache=folder / "cache", task="intra", **settings)


@pytest.mark.parametrize("form", ["voxels", "ras", "lps", "json", "slicer"])
def test_every_form_of_file_says_the_same(form: str, folder: Callable[..., Path]) -> None:
    scan = opened(folder(form)).scan("s0t0")
    assert scan.landmarks is not None
    there = scan.landmarks @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    np.testing.assert_allclose(there, points_mm(), atol=1e-4)


def test_the_error_is_that_of_the_world_on_a_turned_grid_of_unequal_spacing(folder: Callable[..., Path]) -> None:
    dataset = opened(folder())
    pair = dataset.pair(dataset.pairs("val")[0])
    still = torch.zeros(1, 3, *dataset.shape)
    away = float(np.linalg.norm(SHIFT_MM))
    assert [row["tre_before_mm"] for row in measure_landmarks(pair, still)] == pytest.approx([away] * 12, abs=1e-4)
    voxels = np.linalg.solve(pair.fixed.affine[:3, :3], SHIFT_MM if pair.fixed.id.endswith("t0") else -SHIFT_MM)
    moved = still + torch.tensor(voxels, dtype=torch.float32).view(1, 3, 1, 1, 1)
    assert [row["tre_mm"] for row in measure_landmarks(pair, moved)] == pytest.approx([0.0] * 12, abs=1e-4)


def test_aligned_scans_take_their_landmarks_along(tmp_path: Path) -> None:
    """Two copies of one image, the second moved: the affine step undoes it, for the image and for its landmarks."""
    rows = ["image,person,split"]
    (tmp_path / "images").mkdir()
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in (32, 32, 32)), indexing="ij"), axis=-1)
    for number, split in enumerate(("train", "train", "val", "val")):
        centres = np.random.default_rng(number).uniform(9, 23, size=(7, 3))
        image = sum(np.exp(-(((grid - centre) / 3.0) ** 2).sum(axis=-1)) for centre in centres)
        for time in (0, 1):
            shift = (0, 2 * time, -time)
            stored = nib.Nifti1Image(np.roll(image, shift, axis=(0, 1, 2)).astype(np.float32), np.eye(4))
            nib.save(stored, tmp_path / "images" / f"s{number}t{time}.nii.gz")
            write_voxels(tmp_path / "landmarks" / f"s{number}t{time}.csv", centres + shift)
            rows.append(f"s{number}t{time}.nii.gz,p{number},{split}")
    (tmp_path / "splits.csv").write_text("\n".join(rows))
    dataset = opened(tmp_path, align="affine")
    pair = dataset.pair(dataset.pairs("val")[0])
    errors = [row["tre_before_mm"] for row in measure_landmarks(pair, torch.zeros(1, 3, *dataset.shape))]
    assert len(errors) == 7
    assert max(errors) < 0.3  # 2.2 without


def write_voxels(path: Path, points: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["i,j,k", *(",".join(map(repr, row)) for row in points.tolist())]))


def test_a_mask_limits_what_is_measured(folder: Callable[..., Path]) -> None:
    dataset = opened(folder(masks=True))
    pair = dataset.pair(dataset.pairs("val")[0])
    assert pair.fixed.mask is not None
    inside = pair.foreground
    assert 0.4 < inside.mean() < 0.6
    torn = torch.zeros(1, 3, *dataset.shape)
    torn[:, 2][:, ~torch.from_numpy(inside)] = 20.0 * torch.rand(int((~inside).sum()))
    assert measure_pair(pair, torn, dataset.labels)[0]["folding_fraction"] < 0.1
    assert folding_fraction(torn) > 0.15


def test_an_evaluation_writes_the_error_of_each_pair_and_landmark(folder: Callable[..., Path]) -> None:
    dataset = opened(folder())
    files = evaluate(Identity(), None, dataset, "val", device=torch.device("cpu"), viewed=False)
    away = float(np.linalg.norm(SHIFT_MM))
    for row in parse_table(Path("pairs.csv"), files["pairs.csv"]):
        assert float(row["tre_mm"]) == pytest.approx(away, abs=1e-4)
        assert row["tre_mm"] == row["tre_before_mm"]
    assert len(parse_table(Path("landmarks.csv"), files["landmarks.csv"])) == 12 * len(dataset.pairs("val"))
    assert json.loads(files["summary.json"])["tre_mm"] == pytest.approx(away, abs=1e-4)


def test_a_study_may_be_judged_by_landmarks(folder: Callable[..., Path], tmp_path: Path) -> None:
    data, runs = folder(), tmp_path / "runs"
    line = ["quickstart", "--dataset", "folder", "--data", f"folder={data}", "--set", "task=intra", "--arm", "identity"]
    assert main([*line, "--runs", str(runs), "--cache", str(tmp_path / "cache")]) == 0
    page = write_report([runs], tmp_path / "report", primary="tre_mm")
    assert "TRE before registration (mm)" in page.read_text()
    table = next((tmp_path / "report" / "tables").glob("*_leaderboard.csv")).read_text()
    assert "tre_mm_low" in table
    with pytest.raises(NothingToReportError, match="no evaluated trial has the metric 'dice'"):
        write_report([runs], tmp_path / "report", primary="dice")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s0t0.csv", "10,11,12\n1,2,3\n", r"s0t0.csv: must have the columns i,j,k or"),
        ("s0t0.csv", "i,j,k\n1,2,x\n", r"s0t0.csv: landmark 1 must be three finite numbers"),
        ("s0t0.csv", "i,j,k\n1,2,900\n", r"landmark 1 lies .* mm outside .*s0t0.nii.gz"),
        ("s0t0.json", '{"points": [[1, 2, 3]]}', r's0t0.json: must have "space"'),
        ("s0t0.json", "[1, 2", r"s0t0.json: cannot be read as JSON"),
        ("s0t0.csv", "i,j,k\n5,5,5\n", r"has 12 landmarks, .* of the same pair 1"),
        ("nobody.csv", "i,j,k\n5,5,5\n", r"nobody.csv: landmarks without image"),
    ],
)
def test_wrong_files_are_named(name: str, content: str, message: str, folder: Callable[..., Path]) -> None:
    data = folder()
    if name.startswith("s0"):
        (data / "landmarks" / "s0t0.csv").unlink()
        (data / "splits.csv").write_text((data / "splits.csv").read_text().replace("p0,train", "p0,val"))
    (data / "landmarks" / name).write_text(content)
    with pytest.raises(DataError, match=message):
        opened(data).prepare()
