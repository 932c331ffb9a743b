"""Records: whole or not at all, never overwritten, versions told apart."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fusemorph.records import TrialFolder
from fusemorph.storage import RecordError, StorageError, write_bytes
from tests.finished_trial import TRIAL, finished

ROOT = Path(__file__).parents[1]


def test_a_trial_runs_then_finishes(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    assert folder.status() is None
    folder.begin({})
    assert folder.status() == "running"
    finished(tmp_path)
    assert folder.status() == "finished"
    assert (folder.path / "history.csv").read_text() == "step,val_dice\n1,\n"


def test_what_killed_processes_were_writing_goes_and_the_rest_stays(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    folder.begin({})
    names = ("checkpoint.safetensors", ".checkpoint.safetensors.0123abcd", ".record.json.01234567", ".mine")
    for name in names:
        (folder.path / name).write_bytes(b"weights")
    half = folder.path / "eval" / ".val.0123abcd"
    half.mkdir(parents=True)
    (half / "pairs.csv").write_text("a")
    assert folder.tidy() == []
    assert not half.exists()
    assert sorted(path.name for path in folder.path.iterdir()) == [
        ".mine",
        "checkpoint.safetensors",
        "eval",
        "record.json",
    ]


def test_what_has_ended_is_never_overwritten(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    before = (folder.path / "record.json").read_bytes()
    with pytest.raises(RecordError, match=r"record\.json has ended as finished"):
        folder.finish({}, measured={})
    with pytest.raises(RecordError, match="never overwritten"):
        folder.fail("reason", measured={})
    assert (folder.path / "record.json").read_bytes() == before


def test_an_evaluation_is_written_once_and_whole(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    folder.write_evaluation("val", {"pairs.csv": b"a", "summary.json": b"{}"})
    assert folder.evaluated("val")
    assert not folder.evaluated("test")
    with pytest.raises(RecordError, match="eval/val exists already"):
        folder.write_evaluation("val", {"pairs.csv": b"b"})
    folder.write_evaluation("test", {"summary.json": b"{}"})
    assert (folder.path / "eval" / "val" / "pairs.csv").read_bytes() == b"a"


def test_half_an_evaluation_is_named(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    (folder.path / "eval" / "val").mkdir(parents=True)
    with pytest.raises(RecordError, match="eval/val is half written"):
        folder.evaluated("val")


def test_a_failed_trial_can_be_tried_again_and_its_record_is_kept(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    folder.fail("the loss is not finite", measured={})
    folder.reopen_failed()
    assert folder.status() is None
    kept = list(folder.path.glob("failed-*.json"))
    assert json.loads(kept[0].read_text())["reason"] == "the loss is not finite"


def test_a_full_disk_names_the_file_and_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_bytes(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"record\.json: no space left on the disk"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "record.json", b"new")
    assert not list(tmp_path.iterdir())


def test_what_ctrl_c_keeps_from_being_removed_goes_when_python_ends(tmp_path: Path) -> None:
    program = """
import sys, pathlib
from fusemorph import storage
calls = []
def interrupted(path):
    calls.append(path)
    if len(calls) == 1:
        raise KeyboardInterrupt
    remove(path)
remove, storage._remove = storage._remove, interrupted
with storage.unfinished(pathlib.Path(sys.argv[1]) / "entry") as temporary:
    temporary.mkdir()
    (temporary / "half").write_text("half")
"""
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_record_of_another_configuration_is_refused(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    other = TrialFolder(tmp_path, replace(TRIAL, seed=1))
    folder.path.rename(other.path)
    with pytest.raises(RecordError, match="a configuration that does not match its key"):
        other.status()


FILLING = """
import sys, pathlib
from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from fusemorph.storage import StorageError
from fusemorph.trials.claims import take_claim
runs = pathlib.Path(sys.argv[1])
def folder(seed):
    return TrialFolder(runs, Trial(method={"name": "m"}, dataset={"name": "d"}, budget=None, seed=seed))
done, late = folder(0), folder(1)
done.begin({})
done.finish({}, weights=b"w" * 1000, measured={})
before = {path.name: path.read_bytes() for path in done.path.iterdir()}
with take_claim(late.path) as claim:
    late.begin({})
    with (runs / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            pass
    for write in (
        lambda: late.finish({}, weights=b"w" * 100_000, measured={}),
        lambda: late.write_curves([{"step": 1, "val_dice": 0.5}], ()),
        lambda: take_claim(folder(2).path),
    ):
        try:
            write()
        except StorageError as error:
            print(error)
    claim.note(step=1)
    claim._write()
    assert claim.in_force()
assert late.status() == "running"
assert {path.name: path.read_bytes() for path in done.path.iterdir()} == before
assert not list(runs.rglob(".*"))
"""


def test_a_disk_that_fills_damages_nothing_and_is_named_each_time(tmp_path: Path) -> None:
    mount = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"', str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets no test mount a file system of its own (unshare --mount)")
    call = [*mount, sys.executable, "-c", FILLING, str(tmp_path)]
    ended = subprocess.run(
        call, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("cannot write ") and line.endswith(": no space left on the disk") for line in lines)
