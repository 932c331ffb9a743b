"""A study, a data set, a method and an operator from outside the checkout, from the check to the registration."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from ray.cluster_utils import Cluster

from experiments.runner.command_line import parse
from experiments.runner.sweep_plan import make_sweeps
from experiments.study import find_study
from experiments.sweep import main as sweep
from fusemorph.catalogue import FOLDERS
from fusemorph.cli import main as fusemorph
from tests.entry_files import write_entries

ROOT = Path(__file__).parents[2]
SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the entries, the cache and the run folders."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_entries(folder / "entries")
    return folder


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command has to find the folder by its own means."""
    monkeypatch.setenv(FOLDERS, "")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster whose machines know nothing of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv(FOLDERS, "")
        head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20}
        cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
        yield cluster.address
        cluster.shutdown()


def line(elsewhere: Path, runs: str, *arguments: str) -> list[str]:
    folders = ["--entries", elsewhere / "entries", "--runs", elsewhere / runs, "--cache", elsewhere / "cache"]
    return ["elsewhere", *SMALL, *map(str, folders), *arguments]


def run(elsewhere: Path, runs: str, *arguments: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDERS, "")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setattr("reports.plots.style.FILES", {})
        assert sweep(line(elsewhere, runs, *arguments)) == 0
    return elsewhere / runs


@pytest.fixture(scope="module")
def inline(elsewhere: Path) -> Path:
    return run(elsewhere, "inline")


@pytest.fixture(scope="module")
def ray(elsewhere: Path, address: str) -> Path:
    return run(elsewhere, "ray", "--driver", "ray", "--address", address)


def test_a_check_reads_a_data_set_from_outside(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "elsewhere_brains", *SMALL, "--cache", str(elsewhere / "cache")]
    assert fusemorph(arguments) == 2
    assert "unknown data set 'elsewhere_brains'" in capsys.readouterr().err
    assert fusemorph([*arguments, "--entries", str(elsewhere / "entries")]) == 0
    assert "elsewhere_brains: fit" in capsys.readouterr().out


def test_the_list_says_where_they_are(elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_entries(tmp_path, {"studies/unfinished.py": "STUDY = \n"})
    assert sweep(["--list", "--entries", str(elsewhere / "entries"), "--entries", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    for name in ("datasets/elsewhere_brains", "methods/nudge", "operators/larger", "studies/elsewhere"):
        assert f"({elsewhere / 'entries' / name}.py)" in listed
    assert "\n  unfinished: cannot be imported: SyntaxError" in listed
    assert f"({tmp_path / 'studies' / 'unfinished.py'})" in listed


def test_a_folder_that_is_not_there_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        sweep(["--list", "--entries", str(tmp_path / "nowhere")])
    assert exit_info.value.code == 2
    assert "nowhere: must be a folder that holds at least one of" in capsys.readouterr().err
    assert fusemorph(["check", "virtual_brains", "--entries", str(tmp_path / "nowhere")]) == 2


def test_a_study_runs_and_is_not_run_again(elsewhere: Path, inline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [json.loads(path.read_text()) for path in inline.glob("*/record.json")]
    assert [record["status"] for record in records] == 3 * ["finished"]
    for path in inline.glob("*/measured.json"):
        assert json.loads(path.read_text())["entries"] == [str(elsewhere / "entries")]
    assert sweep(line(elsewhere, "inline", "--dry-run")) == 0
    shown = capsys.readouterr().out
    assert (shown.count("finished"), shown.count("to do")) == (3, 0)


def digests(runs: Path) -> dict[str, str]:
    paths = [path for name in ("record.json", "weights.safetensors", "pairs.csv") for path in runs.rglob(name)]
    return {str(path.relative_to(runs)): sha256(path.read_bytes()).hexdigest() for path in paths}


def test_a_process_that_knows_nothing_of_the_folder_does_the_same(
    elsewhere: Path, inline: Path, tmp_path: Path
) -> None:
    """A worker of a cluster is no child of the sweep: a job is all that reaches it."""
    options = parse(line(elsewhere, "inline"))
    assert options is not None
    (planned,) = make_sweeps(find_study("elsewhere"), options)  # type: ignore[arg-type]
    (tmp_path / "jobs").write_bytes(pickle.dumps(planned.jobs()))
    worker = (
        "import pickle, sys; from pathlib import Path; from fusemorph.trials.run import run_job; "
        "[run_job(job, Path(sys.argv[2])) for job in pickle.loads(Path(sys.argv[1]).read_bytes())]"
    )
    environment = {name: value for name, value in os.environ.items() if name != FOLDERS}
    call = [sys.executable, "-c", worker, str(tmp_path / "jobs"), str(tmp_path / "runs")]
    subprocess.run(call, env=environment, cwd=ROOT, check=True)
    assert len(digests(inline)) == 3 + 1 + 3
    assert digests(tmp_path / "runs") == digests(inline)


@pytest.mark.slow
def test_the_workers_of_a_cluster_write_the_same(inline: Path, ray: Path) -> None:
    assert digests(inline) == digests(ray)


def test_a_trial_finds_its_method_again(
    elsewhere: Path, inline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = json.loads((inline / "studies" / "elsewhere-elsewhere_brains-smoke.json").read_text())
    keys = {arm["label"]: arm["keys"]["0"] for arm in study["arms"]}
    image = str(tmp_path / "image.nii.gz")
    values = np.random.default_rng(0).random((24, 28, 24)).astype(np.float32)
    nib.Nifti1Image(values, np.diag([8.0, 8.0, 8.0, 1.0])).to_filename(image)

    def register(label: str, *arguments: str) -> int:
        monkeypatch.setenv(FOLDERS, "")
        trial = ["--method", str(inline / keys[label]), "--out", str(tmp_path / label)]
        return fusemorph(["register", image, image, *trial, *arguments])

    # A record may come from anybody: what it names is not run unless its user names it too.
    assert register("nudge") == 1
    assert "unknown method 'nudge'" in (message := capsys.readouterr().err)
    assert f"was made with --entries ['{elsewhere / 'entries'}']" in message
    trusted = ("--entries", str(elsewhere / "entries"))
    assert register("nudge", *trusted) == register("larger", *trusted) == 0
    moved = nib.Nifti1Image.from_filename(tmp_path / "nudge" / "displacement.nii.gz").get_fdata()
    assert np.allclose(np.abs(moved), 4.0)
