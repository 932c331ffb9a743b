"""Kill -9 of a search by TPE with early stopping: nothing lost, nothing repeated, every record as it should be."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fusemorph.records import history_of
from fusemorph.storage import read_json
from fusemorph.trials.run import run_job
from tests.nas import tiny_search

ENDED = ("finished", "pruned")


def ended(runs: Path) -> list[Path]:
    return [p.parent for p in runs.glob("*/record.json") if read_json(p)["status"] in ENDED]


def start(runs: Path, cache: Path, driver: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "RAY_AUTH_MODE": "disabled"}
    call = [sys.executable, tiny_search.__file__, str(runs), str(cache), driver]
    return subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("driver", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_search_goes_on(brains_cache: Path, tmp_path: Path, driver: str, kills: int) -> None:
    runs, cache, rng = tmp_path / "runs", brains_cache, random.Random(kills)
    for number in range(kills):
        process = start(runs, cache, driver)
        while process.poll() is None and len(ended(runs)) < (number + 1) * (tiny_search.TRIALS - 2) // kills:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        os.kill(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
    before = {p: p.read_bytes() for folder in ended(runs) for p in folder.glob("*.*") if "claim" not in p.name}
    assert start(runs, cache, driver).wait() == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    search = tiny_search.make_search(runs, cache)
    assert (len(search.candidates), len(search.outcomes), search.left) == (tiny_search.TRIALS, tiny_search.TRIALS, 0)
    assert len(ended(runs)) == tiny_search.TRIALS
    assert {outcome.state for outcome in search.outcomes.values()} == set(ENDED)
    for candidate in list(search.candidates.values())[:: 4 if kills == 2 else 1]:
        alone = replace(candidate.jobs[0], stop=None)
        run_job(alone, tmp_path / "alone")
        resumed, whole = (history_of(folder / alone.trial.key) for folder in (runs, tmp_path / "alone"))
        assert resumed == whole[: len(resumed)]
