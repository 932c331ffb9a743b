"""Methods in a process of their own: what goes out and comes back, and what becomes of those that fail."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fusemorph.configuration import Trial
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.external import ExternalMethod, Package
from fusemorph.method import Method, PairFailed
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.job import Job
from fusemorph.trials.run import run_job

CPU = torch.device("cpu")
BRAINS: dict[str, Any] = {"spacing_mm": 8.0, "train": 2, "val": 3}


def moves(*, affine: bool, threads: int) -> None:
    """As ITK writes it: 1 mm, 2 mm and 3 mm along the axes of LPS."""
    import SimpleITK as sitk

    fixed = sitk.ReadImage("fixed.nii")
    d = fixed.GetDimension()
    grid = (fixed.GetSize(), fixed.GetOrigin(), fixed.GetSpacing(), fixed.GetDirection())
    shift = sitk.TranslationTransform(d, [1.0, 2.0, 3.0][:d])
    sitk.WriteImage(sitk.TransformToDisplacementField(shift, sitk.sitkVectorFloat64, *grid), "displacement.nii")


def sleeps(*, affine: bool, threads: int) -> None:
    """Sleep, with a child that sleeps too."""
    import os
    import subprocess

    child = subprocess.Popen(["sleep", "60"])
    with open(os.environ["TEST_CHILD"], "w") as file:
        file.write(str(child.pid))
    child.wait()


def dies(*, affine: bool, threads: int) -> None:
    """End as a crash in compiled code does."""
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def complains(*, affine: bool, threads: int) -> None:
    """Say how many threads there are, in an error."""
    import os

    raise ValueError(f"{threads} asked, {os.environ['ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS']} given to ITK")


def forgets(*, affine: bool, threads: int) -> None:
    """Write nothing."""


def leaves(*, affine: bool, threads: int) -> None:
    """Send everything far away."""
    import nibabel as nib
    import numpy as np

    fixed = nib.Nifti1Image.from_filename("fixed.nii")
    field = np.full((*fixed.shape, 1, fixed.ndim), 500, np.float32)
    nib.Nifti1Image(field, fixed.affine).to_filename("displacement.nii")


def scribbles(*, affine: bool, threads: int) -> None:
    """Write what is no image."""
    with open("displacement.nii", "w") as file:
        file.write("no image")


def shrinks(*, affine: bool, threads: int) -> None:
    """Write a field of another shape."""
    import nibabel as nib
    import numpy as np

    nib.Nifti1Image(np.zeros((3, 3, 3, 1, 3), np.float32), np.eye(4)).to_filename("displacement.nii")


@dataclass(frozen=True, kw_only=True)
class Outside(ExternalMethod):
    name: ClassVar[str] = "outside"
    source: ClassVar[str] = "none"
    work: ClassVar[Callable[..., None]] = moves

    def worker(self) -> Callable[..., None]:
        return type(self).work


def method(work: Callable[..., None], **settings: float) -> Outside:
    return type("Here", (Outside,), {"work": staticmethod(work)})(**settings)


def make_pair(shape: tuple[int, ...] = (12, 10, 14), spacing_mm: tuple[float, ...] = (1.0, 2.0, 0.5)) -> Pair:
    rng = np.random.default_rng(0)
    scans = [
        Scan(
            id=name, subject=name, image=rng.random(shape, dtype=np.float32), labels=None, spacing_mm=spacing_mm,
            affine=np.diag([-1.0, 1.0, 2.0, 1.0]),
        )
        for name in ("fixed", "moving")
    ]  # fmt: skip
    return Pair(split="val", fixed=scans[0], moving=scans[1], block="0")


def register(work: Callable[..., None], pair: Pair | None = None, **settings: float) -> torch.Tensor:
    return method(work, **settings).register(pair or make_pair(), network=None, device=CPU)


def test_a_field_in_millimetres_of_lps_comes_back_in_voxels_of_the_array() -> None:
    expected = torch.tensor([-1.0, -2.0 / 2.0, 3.0 / 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 12, 10, 14)
    torch.testing.assert_close(register(moves), expected)
    flat = register(moves, make_pair((12, 10), (1.0, 2.0)))
    torch.testing.assert_close(flat, expected[:, :2, ..., 0])


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CHILD", str(tmp_path / "child"))
    with pytest.raises(PairFailed, match=r"took longer than 1\.5 s"):
        register(sleeps, limit_s=1.5)
    child = Path("/proc") / (tmp_path / "child").read_text()
    for _ in range(50):
        if not child.exists() or child.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the child still sleeps")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (dies, "was ended by SIGSEGV: it printed nothing"),
        (complains, r"(?s)ended with status 1: .*ValueError: 1 asked, 1 given to ITK"),
        (forgets, "wrote no displacement"),
        (scribbles, "its displacement cannot be read: Binary block is wrong size"),
        (shrinks, r"its displacement is of shape \(3, 3, 3, 1, 3\), and the fixed image of \(12, 10, 14\)"),
        (leaves, "maps 100% of the fixed image fixed outside the moving image moving"),
    ],
)
def test_one_that_fails_says_why(work: Callable[..., None], reason: str) -> None:
    with pytest.raises(PairFailed, match=reason):
        register(work)


def test_an_empty_image_is_refused_by_name() -> None:
    pair = make_pair()
    empty = replace(pair.moving, image=np.zeros((12, 10, 14), np.float32))
    with pytest.raises(PairFailed, match="the moving image moving is 0 everywhere"):
        register(moves, replace(pair, moving=empty))


MEMORY = """
import sys
sys.path.insert(0, {root!r})
from tests.test_external import forgets, grows, register
from fusemorph.external import peak_of_programs_mib
from fusemorph.method import PairFailed

held = bytearray(b"x") * 600 * 2**20
seen = [peak_of_programs_mib()]
for work in (forgets, grows):
    try:
        register(work)
    except PairFailed:
        seen.append(peak_of_programs_mib())
print(*seen)
"""


def grows(*, affine: bool, threads: int) -> None:
    """Let a program of its own take 200 MiB."""
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", "bytearray(b'x') * (200 * 2**20)"], check=True)


def test_memory_is_of_the_program_and_not_of_the_process_that_calls_it() -> None:
    script = MEMORY.format(root=str(Path(__file__).parents[1]))
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    nothing, little, much = map(float, output.split())
    assert nothing == 0
    assert 0 < little < 60
    assert 200 < much < 260


def test_an_interpreter_may_be_named_from_here_or_by_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "here-python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("FUSEMORPH_INTERPRETERS", "bin/here-python")
    assert Package("pip", "1").interpreter() == str(tmp_path / "bin" / "here-python")
    monkeypatch.setenv("FUSEMORPH_INTERPRETERS", "here-python")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert Package("pip", "1").interpreter() == "here-python"


def test_a_missing_package_comes_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSEMORPH_INTERPRETERS", raising=False)
    assert Package("numpy", "2").missing() is None
    assert Package("no-such-thing", "1.2").missing() == "no-such-thing is not installed; pip install no-such-thing==1.2"
    assert Package("no-such-thing", "1.2", apart="it is old").missing() == (
        "no-such-thing is not installed (it is old); python -m venv ~/.venvs/no-such-thing && "
        "~/.venvs/no-such-thing/bin/pip install no-such-thing==1.2 && "
        "export FUSEMORPH_INTERPRETERS=~/.venvs/no-such-thing/bin/python"
    )


def test_a_package_is_found_in_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import venv

    venv.create(tmp_path / "env", symlinks=True)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    (site / "only_there-1.0.dist-info").mkdir()
    (site / "only_there-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: only-there\nVersion: 1.0\n"
    )
    python = str(tmp_path / "env" / "bin" / "python")
    monkeypatch.setenv("FUSEMORPH_INTERPRETERS", os.pathsep.join(["/nowhere/python", python]))
    package = Package("only-there", "1.0")
    assert package.interpreter() == python
    assert package.missing() is None
    assert package.found() == {"only-there": "1.0"}
    assert Package("numpy", "2").interpreter() == sys.executable


@dataclass(frozen=True, kw_only=True)
class Moody(Method):
    """Fails on the pairs whose fixed image is named."""

    name: ClassVar[str] = "moody"
    source: ClassVar[str] = "none"

    fails: tuple[str, ...]

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> torch.Tensor:
        if pair.fixed.id in self.fails:
            raise PairFailed("no\nidea")
        return torch.zeros(1, 3, *pair.fixed.image.shape)


@pytest.fixture
def brains(brains_cache: Path) -> Dataset:
    return open_dataset("virtual_brains", cache=brains_cache, **BRAINS)


def test_a_failed_pair_is_a_row_with_its_reason_and_the_others_are_as_ever(brains: Dataset) -> None:
    whole = evaluate(Moody(fails=()), None, brains, "val", device=CPU, viewed=False)
    assert b"failure" not in whole["pairs.csv"]
    assert "failed_pairs" not in json.loads(whole["summary.json"])
    first = brains.pairs("val")[0].fixed
    files = evaluate(Moody(fails=(first,)), None, brains, "val", device=CPU, viewed=False)
    rows, before = (pd.read_csv(io.BytesIO(each["pairs.csv"])) for each in (files, whole))
    failed = rows["fixed"] == first
    assert list(rows.columns) == [*before.columns, "failure"]
    assert rows.loc[failed, "failure"].tolist() == ["no idea"] * failed.sum()
    assert rows.loc[failed, "dice":"endpoint_error_mm"].isna().all(axis=None)
    pd.testing.assert_frame_equal(rows.loc[~failed].drop(columns="failure"), before.loc[~failed])
    summary = json.loads(files["summary.json"])
    assert (summary["pairs"], summary["failed_pairs"]) == (len(before), failed.sum())
    assert summary["dice"]["mean"] == pytest.approx(before.loc[~failed, "dice"].mean())


def test_a_trial_whose_pairs_all_fail_has_failed_with_the_reason(
    brains: Dataset, brains_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("reg_aladin", "reg_f3d", "reg_transform"):
        (tmp_path / name).write_text("#!/bin/sh\necho the licence has expired\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("FUSEMORPH_NIFTYREG", str(tmp_path))
    described = brains.configuration()
    trial = Trial(method={"name": "niftyreg"}, dataset=described, budget=None, seed=0)
    job = Job(trial=trial, data=None, cache=brains_cache, splits=("val",))
    assert run_job(job, tmp_path / "runs") == "failed"
    record = json.loads((tmp_path / "runs" / trial.key / "record.json").read_text())
    assert record["reason"].startswith(f"all {len(brains.pairs('val'))} pairs of val failed; the first one: ended with")
    assert record["reason"].endswith("the licence has expired reg_aladin ended with status 3")
