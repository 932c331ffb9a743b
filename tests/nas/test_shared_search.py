"""Several processes on one search, as the tasks of a SLURM array: one proposes at a time, all train."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusemorph.storage import read_json
from fusemorph.trials.claims import take_claim
from tests.nas import tiny_search
from tests.nas.test_killed_search import ended, start

PROCESSES = 3


def saved(runs: Path) -> list[str]:
    return [arm["keys"]["0"] for arm in read_json(runs / "studies" / "tiny.json")["arms"]]


def test_each_process_proposes_what_no_other_has_saved(brains_cache: Path, tmp_path: Path) -> None:
    first, second = (tiny_search.make_search(tmp_path, brains_cache) for _ in range(2))
    jobs = []
    for search in (first, second, second, first):
        job = search.next()
        assert job is not None
        jobs.append(job.trial.key)
    # What another process has saved is taken up before anything new is proposed, since it may have died.
    assert jobs[1] == jobs[0]
    assert jobs[3] == jobs[2] != jobs[0]
    assert saved(tmp_path) == [jobs[0], jobs[2]]
    assert [list(search.candidates) for search in (first, second)] == [list(first.candidates)] * 2


def test_a_process_waits_while_another_proposes_and_takes_over_when_that_has_ended(
    brains_cache: Path, tmp_path: Path
) -> None:
    search = tiny_search.make_search(tmp_path, brains_cache)
    folder = tmp_path / "studies" / "tiny.proposer"
    program = f"import os, sys; from pathlib import Path; from fusemorph.trials.claims import take_claim; " \
        f"take_claim(Path({str(folder)!r})); print('has it', flush=True); sys.stdin.read(); os._exit(9)"  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"has it"
        assert search.next() is None
        assert search.open
        assert "another process proposes" in search.note
        other.kill()
    assert search.next() is not None
    assert search.note == ""
    claim = take_claim(folder)
    assert claim is not None
    with claim:
        assert tiny_search.make_search(tmp_path, brains_cache).left == tiny_search.TRIALS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_processes_that_start_and_die_at_random_finish_each_point_once(
    brains_cache: Path, tmp_path: Path, seed: int
) -> None:
    runs, rng = tmp_path / "runs", random.Random(seed)
    running = [start(runs, brains_cache, "inline") for _ in range(PROCESSES)]
    for killed_after in range(1, tiny_search.TRIALS - PROCESSES):  # none dies before something is done: it ends
        while len(ended(runs)) < killed_after:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 2))
        victim = rng.randrange(PROCESSES)
        os.kill(running[victim].pid, signal.SIGKILL) if running[victim].poll() is None else None
        running[victim].wait()
        running[victim] = start(runs, brains_cache, "inline")
    assert [process.wait() for process in running] == [0] * PROCESSES
    keys = saved(runs)
    assert len(keys) == len(set(keys)) == tiny_search.TRIALS
    assert sorted(folder.name for folder in ended(runs)) == sorted(keys)
    assert not list(runs.glob("*/claim-*"))
    search = tiny_search.make_search(runs, brains_cache)
    assert (len(search.candidates), len(search.outcomes), search.left) == (tiny_search.TRIALS, tiny_search.TRIALS, 0)
