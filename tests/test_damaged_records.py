"""Damaged records, histories and evaluations are named, and what they held is kept aside."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from fusemorph.records import history_of, read_record
from fusemorph.storage import DamagedFile, RecordError
from tests.finished_trial import TRIAL, finished


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object"),
        ('{"format": 1}', "incomplete or not a record"),
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
    (message,) = folder.tidy()
    assert folder.status() is None
    (kept,) = folder.path.glob("damaged-*-record.json")
    assert kept.read_text() == content
    assert f"{folder.path / 'record.json'} " in message
    assert message.endswith(f"; it is kept as {kept.name} and made again")
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
