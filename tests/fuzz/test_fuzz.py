"""Whatever a command is given: an exit status, one line that names the culprit, and nothing left behind."""

import contextlib
import io
import re
import resource
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from experiments import sweep
from fusemorph import cli
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.datasets.hippocampus import Hippocampus
from tests.data.folder_files import fill
from tests.fuzz.malformed import odd_setting, spoil_image, spoil_record, spoil_table
from tests.trained_trial import trained

pytestmark = pytest.mark.fuzz

SECONDS = 120
BYTES = 6 * 2**30
EVERY_PROCESS = 25
"""One case of so many runs as a process of its own, the others in this one."""


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Neither hangs nor takes the memory of others."""

    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {SECONDS} s")

    limits = resource.getrlimit(resource.RLIMIT_DATA)
    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def call(case: int, main: Callable[[list[str]], int | None], module: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr; a warning counts as something that nobody asked for."""
    if case % EVERY_PROCESS == 0:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=SECONDS
        )
        return done.returncode, done.stdout, done.stderr
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            status = main(list(arguments)) or 0
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
    return status, out.getvalue(), err.getvalue()


def hidden(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob(".*")]


def judge(done: tuple[int, str, str], *, what: str, names: list[str], wrong: tuple[int, ...]) -> None:
    status, out, err = done
    said = f"{what}\nstatus {status}\n{out[-800:]}\n{err[-800:]}"
    assert status in (0, *wrong), said
    assert "Traceback" not in out + err, said
    assert "Warning" not in err, said
    if status:
        lines = [line for line in err.splitlines() if not re.match(r"(usage: |  |fusemorph \w+: note: )", line)]
        lines += [line for line in out.splitlines() if line.startswith("error: ")]
        assert lines, said
        assert all(any(name in line for name in names) or line.startswith("and ") for line in lines), said


@pytest.mark.parametrize("case", range(110))
def test_check_of_a_folder(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([1, case])
    folder, cache = tmp_path / "set", tmp_path / "cache"
    names = fill(folder, 7, shape=(12, 13, 14), labelled=bool(case % 3))
    rows = [
        f"{name},{name},{split}" for name, split in zip(names, ["train"] * 3 + ["val"] * 2 + ["test"] * 2, strict=True)
    ]
    (folder / "splits.csv").write_text("\n".join(["image,person,split", *rows]))
    more: list[str] = []
    if case % 5 == 4:
        settings = (
            "shape",
            "spacing_mm",
            "percentiles",
            "foreground",
            "seed",
            "fractions",
            "smallest_side",
            "align",
            "task",
        )
        what = odd_setting(settings, rng)
        more = ["--set", what]
    elif case % 5 == 3:
        what = spoil_table(folder / "splits.csv", rng)
    else:
        parts = [part for part in ("images", "labels") if (folder / part).exists()]
        what = spoil_image(folder / rng.choice(parts) / f"{rng.choice(names)}.nii.gz", rng)
    call_of = ["check", "folder", "--data", str(folder), "--cache", str(cache), *more]
    done = call(case, cli.main, "fusemorph", *call_of)
    judge(done, what=what, names=[str(folder), "folder: ", "settings of 'folder'", "--set", "folder'"], wrong=(1, 2))
    assert hidden(folder, cache) == []


@pytest.mark.parametrize("case", range(60))
def test_check_of_the_data_sets_with_a_layout(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([2, case])
    kind = (Hippocampus, Acdc)[case % 2]
    given = kind.example(tmp_path / "set")
    folder = given.pop("data")
    if case % 3 == 2:
        what = odd_setting(("shape", "percentiles", "align", "spacing_mm"), rng)
        more = ["--set", what]
    else:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "Info.cfg")
        what = spoil_image(files[rng.integers(len(files))], rng)
        more = ["--set", f"shape={','.join(map(str, given['shape']))}"]
    done = call(
        case, cli.main, "fusemorph", "check", kind.name, "--data", str(folder), "--cache", str(tmp_path / "c"), *more
    )
    judge(done, what=what, names=[str(folder), f"{kind.name}: ", f"settings of '{kind.name}'", "--set"], wrong=(1, 2))
    assert hidden(folder, tmp_path / "c") == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("case", range(110))
def test_register(case: int, runs: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng([3, case])
    fill(tmp_path, 2, shape=(16, 18, 17))
    fixed, moving = (tmp_path / "images" / f"s0{n}.nii.gz" for n in range(2))
    labels = [tmp_path / "labels" / path.name for path in (fixed, moving)]
    run, out = tmp_path / "runs" / runs.name, tmp_path / "out"
    shutil.copytree(runs, run)
    more = ["--fixed-labels", str(labels[0]), "--moving-labels", str(labels[1])] if case % 4 == 1 else []
    if case % 4 == 3:
        what = spoil_record(run, rng)
    else:
        what = spoil_image((labels if more and rng.random() < 0.7 else [fixed, moving])[rng.integers(2)], rng)
    done = call(
        case, cli.main, "fusemorph", "register", str(fixed), str(moving), "--method", str(run), "--out", str(out), *more
    )
    names = [str(tmp_path), "load_method()", "load_network()", "load_trial()"]
    judge(done, what=what, names=names, wrong=(1,))
    files = sorted(path.name for path in out.rglob("*"))
    assert files == (["displacement.nii.gz", "warped.nii.gz"] if done[0] == 0 else []), what
    assert hidden(run, tmp_path / "images") == []


@pytest.mark.parametrize("case", range(30))
def test_a_dry_run_of_a_sweep(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([4, case])
    folder, runs = tmp_path / "set", tmp_path / "runs"
    names = fill(folder, 7, shape=(12, 13, 14))
    more: list[str] = []
    if case % 2:
        what = odd_setting(("shape", "spacing_mm", "percentiles", "seed", "fractions", "smallest_side", "align"), rng)
        more = ["--set", what]
    else:
        what = spoil_image(folder / rng.choice(["images", "labels"]) / f"{rng.choice(names)}.nii.gz", rng)
    study = ["quickstart", "--budget", "smoke", "--seeds", "1", "--dataset", "folder", "--data", f"folder={folder}"]
    places = ["--runs", str(runs), "--cache", str(tmp_path / "cache"), "--dry-run"]
    done = call(case, sweep.main, "experiments.sweep", *study, *places, *more)
    judge(done, what=what, names=[str(folder), "folder: ", "settings of 'folder'", "--set"], wrong=(2,))
    assert not list(runs.rglob("*"))
    assert hidden(folder, tmp_path / "cache") == []
