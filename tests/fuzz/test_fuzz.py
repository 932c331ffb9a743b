"""Whatever a command is given: an exit status, one line that names the culprit, and nothing left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments import sweep
from fusemorph import cli
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.datasets.hippocampus import Hippocampus
from tests.data.folder_files import fill
from tests.fuzz.judging import call, hidden, judge
from tests.fuzz.malformed import odd_setting, spoil_image, spoil_table
from tests.fuzz.malformed_records import spoil_record
from tests.trained_trial import trained

pytestmark = pytest.mark.fuzz


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
        damage = odd_setting(settings, rng)
        more = ["--set", damage]
    elif case % 5 == 3:
        damage = spoil_table(folder / "splits.csv", rng)
    else:
        parts = [part for part in ("images", "labels") if (folder / part).exists()]
        damage = spoil_image(folder / rng.choice(parts) / f"{rng.choice(names)}.nii.gz", rng)
    call_of = ["check", "folder", "--data", str(folder), "--cache", str(cache), *more]
    done = call(case, cli.main, "fusemorph", *call_of)
    judge(
        done, damage=damage, names=[str(folder), "folder: ", "settings of 'folder'", "--set", "folder'"], wrong=(1, 2)
    )
    assert hidden(folder, cache) == []


@pytest.mark.parametrize("case", range(60))
def test_check_of_the_data_sets_with_a_layout(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([2, case])
    kind = (Hippocampus, Acdc)[case % 2]
    given = kind.example(tmp_path / "set")
    folder = given.pop("data")
    if case % 3 == 2:
        damage = odd_setting(("shape", "percentiles", "align", "spacing_mm"), rng)
        more = ["--set", damage]
    else:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "Info.cfg")
        damage = spoil_image(files[rng.integers(len(files))], rng)
        more = ["--set", f"shape={','.join(map(str, given['shape']))}"]
    done = call(
        case, cli.main, "fusemorph", "check", kind.name, "--data", str(folder), "--cache", str(tmp_path / "c"), *more
    )
    judge(
        done, damage=damage, names=[str(folder), f"{kind.name}: ", f"settings of '{kind.name}'", "--set"], wrong=(1, 2)
    )
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
        damage = spoil_record(run, rng)
    else:
        damage = spoil_image((labels if more and rng.random() < 0.7 else [fixed, moving])[rng.integers(2)], rng)
    done = call(
        case, cli.main, "fusemorph", "register", str(fixed), str(moving), "--method", str(run), "--out", str(out), *more
    )
    names = [str(tmp_path), "load_method()", "load_network()", "load_trial()"]
    judge(done, damage=damage, names=names, wrong=(1,))
    files = sorted(path.name for path in out.rglob("*"))
    assert files == (["displacement.nii.gz", "warped.nii.gz"] if done[0] == 0 else []), damage
    assert hidden(run, tmp_path / "images") == []


@pytest.mark.parametrize("case", range(30))
def test_a_dry_run_of_a_sweep(case: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([4, case])
    folder, runs = tmp_path / "set", tmp_path / "runs"
    names = fill(folder, 7, shape=(12, 13, 14))
    more: list[str] = []
    if case % 2:
        damage = odd_setting(("shape", "spacing_mm", "percentiles", "seed", "fractions", "smallest_side", "align"), rng)
        more = ["--set", damage]
    else:
        damage = spoil_image(folder / rng.choice(["images", "labels"]) / f"{rng.choice(names)}.nii.gz", rng)
    study = ["quickstart", "--budget", "smoke", "--seeds", "1", "--dataset", "folder", "--data", f"folder={folder}"]
    places = ["--runs", str(runs), "--cache", str(tmp_path / "cache"), "--dry-run"]
    done = call(case, sweep.main, "experiments.sweep", *study, *places, *more)
    judge(done, damage=damage, names=[str(folder), "folder: ", "settings of 'folder'", "--set"], wrong=(2,))
    assert not list(runs.rglob("*"))
    assert hidden(folder, tmp_path / "cache") == []
