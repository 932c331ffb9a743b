"""Claims: one living holder a trial, orphans found, no two takers."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fusemorph.records import StorageError
from fusemorph.trials.claims import TakenOver, holder, is_lost, last_claim, take_claim


def write_claim(folder: Path, **facts: object) -> Path:
    path = folder / "claim-0001.json"
    path.write_text(
        json.dumps({"host": socket.gethostname(), "process": os.getpid(), "started": "x", "heartbeat": 0} | facts)
    )
    return path


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_claim_is_held_by_one_and_released(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    with claim:
        assert take_claim(tmp_path) is None
        assert holder(tmp_path) is not None
        assert last_claim(tmp_path, process=os.getpid()) is not None
    assert holder(tmp_path) is None
    assert take_claim(tmp_path) is not None


def test_the_claim_of_a_dead_process_is_an_orphan(tmp_path: Path) -> None:
    write_claim(tmp_path, process=dead_process())
    assert holder(tmp_path) is None
    assert take_claim(tmp_path) is not None


def test_a_recycled_process_number_does_not_pass_for_the_holder(tmp_path: Path) -> None:
    assert is_lost(write_claim(tmp_path, started="long ago"))


def test_another_host_is_given_two_minutes(tmp_path: Path) -> None:
    path = write_claim(tmp_path, host="elsewhere")
    assert not is_lost(path)
    assert take_claim(tmp_path) is None
    os.utime(path, (time.time() - 121,) * 2)
    assert is_lost(path)


def test_of_many_takers_one_wins(tmp_path: Path) -> None:
    write_claim(tmp_path, process=dead_process())
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: take_claim(tmp_path), range(32)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_claim_that_was_taken_over_knows_it(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    claim.require()
    (tmp_path / "claim-0002.json").write_text("{}")
    with pytest.raises(TakenOver):
        claim.require()


def test_a_loser_leaves_the_claim_of_the_winner(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    with claim:
        winner = tmp_path / "claim-0002.json"
        winner.write_text("{}")
    assert list(tmp_path.iterdir()) == [winner]


def test_a_claim_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a file where a folder is due")
    with pytest.raises(StorageError, match="key"):
        take_claim(tmp_path / "key")


def test_an_error_keeps_the_claim_so_that_its_process_can_be_blamed(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    with pytest.raises(RuntimeError), claim:
        raise RuntimeError
    assert last_claim(tmp_path, process=os.getpid()) is not None
