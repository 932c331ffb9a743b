"""Claims: one holder a trial, orphans found, no two takers, whatever the clocks and namespaces of others."""

import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fusemorph.storage import StorageError
from fusemorph.trials import claims
from fusemorph.trials.claims import LOST_AFTER_S, Observer, TakenOver, describe_holder, holder, take_claim
from fusemorph.trials.processes import describe_process

DAY_S = 86_400.0


class Clock:
    """A clock that the test sets, for an observer."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def write_claim(folder: Path, number: int = 1, **facts: object) -> Path:
    """A claim of this process, but for the facts given."""
    path = folder / f"claim-{number:04d}.json"
    path.write_text(json.dumps({"owner": "o", **describe_process(), "beat": 1} | facts))
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
    assert holder(tmp_path) is None
    assert take_claim(tmp_path) is not None


def test_the_claim_of_a_dead_process_is_an_orphan(tmp_path: Path) -> None:
    write_claim(tmp_path, process=dead_process())
    assert holder(tmp_path) is None
    assert take_claim(tmp_path) is not None


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    write_claim(tmp_path, process=process.pid, started=started)
    assert holder(tmp_path) is not None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert holder(tmp_path) is None
    process.communicate()


def test_a_recycled_process_number_does_not_pass_for_the_holder(tmp_path: Path) -> None:
    write_claim(tmp_path, started="long ago")
    assert holder(tmp_path) is None


ELSEWHERE: dict[str, dict[str, Any]] = {
    "another host": {"host": "elsewhere", "place": "another boot"},
    "a container of one host name": {"place": "another namespace", "process": 1},
    "a process number that means nothing here": {"place": None, "process": dead_process()},
    "no number at all": {"process": "many"},
    "an older version": {"place": None, "owner": None, "beat": None, "heartbeat": time.time()},
}


@pytest.mark.parametrize("ahead_s", [-DAY_S, 0.0, DAY_S])
@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_claim_from_elsewhere_is_an_orphan_once_it_has_stood_still_by_our_clock(
    tmp_path: Path, where: str, ahead_s: float
) -> None:
    clock = Clock()
    observer = Observer(clock)
    path = write_claim(tmp_path, **ELSEWHERE[where])
    os.utime(path, (time.time() + ahead_s,) * 2)
    assert take_claim(tmp_path, observer=observer) is None
    clock.now_s = LOST_AFTER_S
    assert take_claim(tmp_path, observer=observer) is None
    clock.now_s = LOST_AFTER_S + 1
    assert holder(tmp_path, observer=observer) is None
    assert take_claim(tmp_path, observer=observer) is not None


@pytest.mark.parametrize("ahead_s", [-DAY_S, DAY_S])
def test_a_heartbeat_counts_however_late_it_is_seen_and_whatever_its_date(tmp_path: Path, ahead_s: float) -> None:
    clock = Clock()
    observer = Observer(clock)
    for beat in range(4):
        path = write_claim(tmp_path, place="another namespace", beat=beat)
        os.utime(path, (time.time() + ahead_s,) * 2)
        clock.now_s += 10 * LOST_AFTER_S
        assert take_claim(tmp_path, observer=observer) is None


def test_half_a_claim_is_given_time(tmp_path: Path) -> None:
    clock = Clock()
    observer = Observer(clock)
    (tmp_path / "claim-0001.json").write_text("")
    assert take_claim(tmp_path, observer=observer) is None
    clock.now_s = LOST_AFTER_S + 1
    assert take_claim(tmp_path, observer=observer) is not None


def test_who_waits_is_told_for_whom_and_for_how_long(tmp_path: Path) -> None:
    clock = Clock()
    observer = Observer(clock)
    write_claim(tmp_path, host="node7", process=12, place="another namespace", step=3)
    facts = holder(tmp_path, observer=observer)
    assert facts is not None
    assert facts["step"] == 3
    assert describe_holder(facts) == "node7, process 12"
    clock.now_s = 45.0
    facts = holder(tmp_path, observer=observer)
    assert facts is not None
    assert describe_holder(facts) == "node7, process 12, silent for 45 s and taken over after 120 s"


def test_of_many_takers_one_wins(tmp_path: Path) -> None:
    write_claim(tmp_path, process=dead_process())
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take_claim(tmp_path), range(32)))
    assert sum(claim is not None for claim in taken) == 1


def test_numbers_are_compared_as_numbers_and_other_names_are_no_claims(tmp_path: Path) -> None:
    write_claim(tmp_path, 9999, process=dead_process())
    (tmp_path / "claim-0001 (conflicted copy).json").write_text("{}")
    first = take_claim(tmp_path)
    assert first is not None
    assert first.path.name == "claim-10000.json"
    assert first.in_force()


def test_a_claim_that_was_taken_over_knows_it(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    claim.require()
    write_claim(tmp_path, 2)
    with pytest.raises(TakenOver):
        claim.require()


def test_a_loser_leaves_the_claim_of_the_winner(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    with claim:
        winner = write_claim(tmp_path, 2)
    assert list(tmp_path.iterdir()) == [winner]


def test_a_loser_that_wakes_after_the_end_raises_no_claim_from_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_S", 0.001)
    loser = take_claim(tmp_path)
    assert loser is not None
    loser.path.unlink()  # the winner has taken over, ended and released
    beats = os.fstat(loser._descriptor)
    with loser:
        while os.fstat(loser._descriptor).st_mtime_ns == beats.st_mtime_ns:
            time.sleep(0.001)
        assert holder(tmp_path) is None
        third = take_claim(tmp_path)  # of the same name as the loser's
        assert third is not None
        assert not loser.in_force()
        written = third.path.read_bytes()
    assert third.in_force()
    assert third.path.read_bytes() == written


def test_a_claim_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a file where a folder is due")
    with pytest.raises(StorageError, match="key"):
        take_claim(tmp_path / "key")


def test_a_full_disk_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"claim-0001\.json: no space left on the disk"):
        take_claim(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_error_stays_for_whoever_asks_why_and_frees_the_trial(tmp_path: Path) -> None:
    claim = take_claim(tmp_path)
    assert claim is not None
    with pytest.raises(RuntimeError), claim:
        raise RuntimeError("of memory")
    assert json.loads(claim.path.read_bytes())["error"] == "RuntimeError: of memory"
    assert take_claim(tmp_path) is not None
