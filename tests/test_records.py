"""Records: whole or not at all, never overwritten, versions told apart."""

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fusemorph.configuration import BUDGETS, Budget, Trial, find_budget
from fusemorph.records import TrialFolder, history_of, read_record
from fusemorph.storage import DamagedFile, RecordError, StorageError, write_bytes

ROOT = Path(__file__).parents[1]
TRIAL = Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=0)


def finished(runs: Path) -> TrialFolder:
    folder = TrialFolder(runs, TRIAL)
    folder.begin({"parameters": 0})
    folder.finish({"parameters": 0}, history=[{"step": 1, "val_dice": float("nan")}], measured={"threads": 1})
    return folder


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object"),
        ('{"format": 1}', "half written"),
        ('{"format": 1, "key": "k", "status": "finished", "configuration": {"numerics": 0}}', "another version"),
        ('{"format": [1], "key": "k", "status": "finished", "configuration": 7}', "another version"),
        ("", "is empty"),
        ("\0" * 512, "is empty"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"parameters": ' + "9" * 5000 + "}", "a whole number of 5000 digits"),
        ('{"threads": Infinity}', "holds Infinity, which is not JSON"),
        ('{"threads": NaN}', "holds NaN, which is not JSON"),
        ('{"threads": 1e999}', "'1e999', which is too large"),
    ],
)
def test_damaged_records_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(RecordError, match=rf"record\.json.*{message}"):
        read_record(tmp_path)


SOUND: dict[str, Any] = {
    "format": 1,
    "key": "k",
    "status": "finished",
    "reason": None,
    "configuration": TRIAL.configuration(),
}
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "key": ({"key": ["k"]}, r"'key' must be text, got \['k'\]"),
    "status": ({"status": {"finished": 1}}, "'status' must be one of running, .*, got {'finished': 1}"),
    "unknown status": ({"status": "done"}, "'status' must be one of running, .*, got 'done'"),
    "reason": ({"reason": 3}, "'reason' must be text or null, got 3"),
    "half a character": ({"reason": "\ud800"}, "'reason' must be text or null"),
    "method": ({"configuration": SOUND["configuration"] | {"method": "fusion"}}, "'method' must be an object"),
    "no name": ({"configuration": SOUND["configuration"] | {"method": {}}}, r"'method.name' must be a name, got None"),
    "dataset": ({"configuration": SOUND["configuration"] | {"dataset": [1]}}, "'dataset' must be an object"),
    "budget": ({"configuration": SOUND["configuration"] | {"budget": "paper"}}, "'budget' must be an object or null"),
    "seed": ({"configuration": SOUND["configuration"] | {"seed": True}}, "'seed' must be a whole number"),
}


@pytest.mark.parametrize("part", WRONG)
def test_parts_of_another_type_are_named(tmp_path: Path, part: str) -> None:
    changes, message = WRONG[part]
    (tmp_path / "record.json").write_text(json.dumps(SOUND))
    assert read_record(tmp_path) == SOUND
    (tmp_path / "record.json").write_text(json.dumps(SOUND | changes))
    with pytest.raises(DamagedFile, match=rf"record\.json: {message}"):
        read_record(tmp_path)


def test_a_pipe_a_device_and_a_folder_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    os.mkfifo(path)
    with pytest.raises(RecordError, match=r"record\.json must be a regular file"):
        read_record(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(RecordError, match=r"record\.json must be a regular file"):
        read_record(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(RecordError, match=r"record\.json must be a regular file"):
        read_record(tmp_path)


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "record.json").open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(RecordError, match=r"record\.json must have at most 64 MiB, got 16384 MiB"):
        read_record(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "\0\0"])
def test_a_damaged_record_is_kept_aside_and_the_trial_is_to_do_again(tmp_path: Path, content: str) -> None:
    folder = finished(tmp_path)
    (folder.path / "record.json").write_text(content)
    with pytest.raises(DamagedFile):
        folder.status()
    (told,) = folder.tidy()
    assert folder.status() is None
    (kept,) = folder.path.glob("damaged-*-record.json")
    assert kept.read_text() == content
    assert f"{folder.path / 'record.json'} " in told
    assert told.endswith(f"; it is kept as {kept.name} and made again")
    folder.begin({})
    folder.finish({}, measured={})


def test_a_record_of_another_version_is_not_set_aside(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    path = folder.path / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(RecordError, match="another version"):
        folder.tidy()
    assert path.exists()


HISTORY = "step,val_dice\n2,0.5\n4,0.625\n"
CUT: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty"),
    "no rows": ("step,val_dice\n", "is empty"),
    "in a row": (HISTORY[:-9], "is cut short"),
    "in a number": (HISTORY[:-3], "is cut short"),
    "a row too long": (HISTORY + "6,0.5,7\n", "line 4 has other columns than the first"),
    "a row too short": (HISTORY + "6\n", "line 4 has other columns than the first"),
    "no number": (HISTORY + "6,much\n", "could not convert"),
    "zeros": ("\0" * 64, "is empty|line contains NUL|cannot be read"),
}


@pytest.mark.parametrize("cut", CUT)
def test_a_damaged_history_is_named(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    assert history_of(tmp_path) == [{"step": 2, "val_dice": 0.5}, {"step": 4, "val_dice": 0.625}]
    content, message = CUT[cut]
    path.write_text(content)
    with pytest.raises(DamagedFile, match=rf"history\.csv.*({message})"):
        history_of(tmp_path)


def test_a_packed_history_that_is_damaged_or_unpacks_without_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.csv.gz"
    path.write_bytes(gzip.compress(HISTORY.encode())[:-4])
    with pytest.raises(DamagedFile, match=r"history\.csv"):
        history_of(tmp_path)
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(80):
            file.write(b"\0" * 2**20)
    with pytest.raises(RecordError, match=r"history\.csv"):
        history_of(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("{", "cannot be read")])
def test_a_damaged_evaluation_is_named(tmp_path: Path, content: str, message: str) -> None:
    folder = finished(tmp_path)
    folder.write_evaluation("val", {"summary.json": content.encode()})
    with pytest.raises(RecordError, match=rf"eval/val/summary\.json {message}.*move the folder away"):
        folder.evaluated("val")


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


def test_keys_follow_the_configuration_alone() -> None:
    assert TRIAL.key == replace(TRIAL).key
    changed = [replace(TRIAL, seed=1), replace(TRIAL, method={"name": "oracle"}), replace(TRIAL, budget={"steps": 1})]
    assert len({TRIAL.key, *(trial.key for trial in changed)}) == 4


def test_budgets_by_name() -> None:
    assert {"smoke", "quick", "standard", "paper"} <= set(BUDGETS)
    with pytest.raises(ValueError, match="unknown budget 'huge'; known: smoke"):
        find_budget("huge")


def test_a_budget_may_be_asked_for_with_other_steps() -> None:
    assert find_budget("search-80") == replace(BUDGETS["search"], steps=80)
    for wrong in ("search-", "search-long", "huge-80", "-80"):
        with pytest.raises(ValueError, match=f"unknown budget '{wrong}'.*search-80"):
            find_budget(wrong)
    with pytest.raises(ValueError, match="'steps' must be positive"):
        find_budget("search-0")


def test_validation_steps_end_with_the_last() -> None:
    budget = Budget(steps=10, width=2, learning_rate=1.0, validations=3)
    assert budget.validation_steps() == (3, 7, 10)
    assert replace(budget, steps=2).validation_steps() == (1, 2)


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
    told = ended.stdout.splitlines()
    assert len(told) == 3
    assert all(line.startswith("cannot write ") and line.endswith(": no space left on the disk") for line in told)
