"""Several processes on one run folder, as containers have them: one host name, the same numbers, clocks days apart."""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fusemorph.records import read_record

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("claiming_process.py")
DAY_S = 86_400
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
OTHER_CLOCK = ["--time", "--monotonic", str(DAY_S), "--boottime", str(DAY_S)]
TRIALS = 6
PROCESSES = 3


def can(*options: str) -> bool:
    """Whether this machine lets the tests have namespaces."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*CONTAINER, *options, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def containers() -> list[list[str]]:
    """What starts a process in namespaces of its own; every second one has another monotonic clock, where that goes."""
    if not can():
        pytest.skip("this machine does not let its users have namespaces (unshare); the logic is tested without")
    return [CONTAINER, [*CONTAINER, *OTHER_CLOCK] if can(*OTHER_CLOCK) else CONTAINER]


def start(container: list[str], runs: Path, *, seed: int, ahead_s: int) -> subprocess.Popen[str]:
    call = [*container, sys.executable, str(PROGRAM), str(runs), str(TRIALS), str(seed), str(ahead_s)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True)


def run_round(containers: list[list[str]], runs: Path, rng: random.Random) -> None:
    """Let all trials be done by processes that die and are started again, until each of them sees all finished."""
    runs.mkdir()
    waiting = [
        (containers[number % 2], rng.choice((-DAY_S, 0, DAY_S)), start_seed)
        for number, start_seed in enumerate(rng.sample(range(10**6), PROCESSES))
    ]
    running = [(start(box, runs, seed=seed, ahead_s=ahead), box, ahead) for box, ahead, seed in waiting]
    while running:
        process, box, ahead = running.pop(0)
        _, errors = process.communicate(timeout=120)
        assert process.returncode in (0, 9), errors
        if process.returncode:
            running.append((start(box, runs, seed=rng.randrange(10**6), ahead_s=ahead), box, ahead))
    assert Counter(map(int, (runs / "log").read_text().split())) == dict.fromkeys(range(TRIALS), 1)
    for folder in runs.glob("*/"):
        assert read_record(folder)["status"] == "finished"
        assert sorted(path.name for path in folder.iterdir()) == ["measured.json", "record.json"]


@pytest.mark.parametrize(
    "rounds", [pytest.param(2, id="a few rounds"), pytest.param(200, id="200 rounds", marks=pytest.mark.slow)]
)
def test_each_trial_is_finished_once_whoever_dies(containers: list[list[str]], tmp_path: Path, rounds: int) -> None:
    rng = random.Random(rounds)
    for number in range(rounds):
        run_round(containers, tmp_path / str(number), rng)
