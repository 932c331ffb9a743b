"""Scans a minute, and the memory that it takes: thousands of small ones as few of them."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fusemorph.data import open_dataset
from tests.benchmarks.test_convolutions import measured_s

PREPARE = """
import json, resource, sys
from pathlib import Path
from fusemorph.data import open_dataset
dataset = open_dataset("folder", Path(sys.argv[1]), cache=Path(sys.argv[2]), spacing_mm=[1, 1, 1])
dataset.prepare()
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def write(folder: Path, count: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    rows = ["image,person,split"]
    for number in range(count):
        image = rng.random(shape, dtype=np.float32)
        nib.Nifti1Image(image, np.eye(4)).to_filename(folder / "images" / f"{number:04d}.nii.gz")
        nib.Nifti1Image((image > 0.5).astype(np.uint8), np.eye(4)).to_filename(
            folder / "labels" / f"{number:04d}.nii.gz"
        )
        rows.append(f"{number:04d},{number},{('train', 'val', 'test')[number % 3]}")
    (folder / "splits.csv").write_text("\n".join(rows) + "\n")


def peak_mib(folder: Path, cache: Path) -> float:
    ran = subprocess.run([sys.executable, "-c", PREPARE, folder, cache], capture_output=True, text=True, check=True)
    return float(json.loads(ran.stdout))


@pytest.mark.parametrize(("few", "many", "shape"), [(30, 3000, (24, 24, 24)), (8, 32, (160, 192, 160))])
def test_many_scans_take_no_more_memory_than_few(
    benchmark: BenchmarkFixture, tmp_path: Path, few: int, many: int, shape: tuple[int, ...]
) -> None:
    for count in (few, many):
        write(tmp_path / str(count), count, shape)
    least = peak_mib(tmp_path / str(few), tmp_path / "few")
    most = benchmark.pedantic(peak_mib, (tmp_path / str(many), tmp_path / "many"), rounds=1)
    benchmark.extra_info |= {"scans": many, "peak_mib_few": least, "peak_mib_many": most}
    assert most < 1.25 * least + 16  # two threads may hold their largest arrays at once, or not


def test_brains_aligned_to_the_template(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Scans a minute at 1 mm, on made-up brains of full size without labels."""
    brains = open_dataset("virtual_brains", cache=tmp_path / "made", spacing_mm=1.0, train=2, val=2, test=2)
    (tmp_path / "set" / "images").mkdir(parents=True)
    rows = ["image,person,split"]
    for split in brains.splits:
        for scan_id in brains.scan_ids(split):
            scan = brains.scan(scan_id)
            path = tmp_path / "set" / "images" / f"{scan_id}.nii.gz"
            nib.Nifti1Image(np.asarray(scan.image), scan.affine).to_filename(path)
            rows.append(f"{scan_id},{scan.subject},{split}")
    (tmp_path / "set" / "splits.csv").write_text("\n".join(rows) + "\n")
    settings = {"align": "mni", "spacing_mm": [1, 1, 1], "shape": [160, 224, 192]}
    dataset = open_dataset("folder", tmp_path / "set", cache=tmp_path / "cache", **settings)
    benchmark.pedantic(dataset.prepare, rounds=1)
    benchmark.extra_info |= {
        "scans_a_minute": 60 * len(rows[1:]) / measured_s(benchmark),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
