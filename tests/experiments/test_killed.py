"""Kill -9 of the driver at random moments: the same line again ends as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from experiments.sweep import main

ROOT = Path(__file__).parents[2]
ARMS = ("identity", "C2F correlation", "C2F AutoFuse")
SMALL = [
    *(word for arm in ARMS for word in ("--arm", arm)),
    *(word for setting in ("spacing_mm=8.0", "train=4", "val=4", "test=3") for word in ("--set", setting)),
    *("--budget", "smoke", "--seeds", "2"),
]
DRIVERS = {
    "inline": ["--driver", "inline", "--workers", "2"],
    "optuna": ["--driver", "optuna", "--workers", "2"],
    "ray": ["--driver", "ray", "--cpus-per-trial", "1"],
}
TRIALS = 5
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}  # no token left in the home
MACHINE_MADE = ("measured.json", "cost.json")


def line(runs: Path, cache: Path, driver: str) -> list[str]:
    return ["quickstart", *SMALL, *DRIVERS[driver], "--runs", str(runs), "--cache", str(cache)]


def finished(runs: Path) -> list[Path]:
    """Folders of the trials that are trained and evaluated."""
    done = []
    for record in runs.glob("*/record.json"):
        state = json.loads(record.read_text())["status"]
        if state == "finished" and (record.parent / "eval" / "test" / "summary.json").exists():
            done.append(record.parent)
    return done


def digests(folders: list[Path]) -> dict[Path, tuple[int, str]]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if not path.name.startswith((".", "claim-")) and path.name != "cost.json"]
    return {path: (path.stat().st_mtime_ns, sha256(path.read_bytes()).hexdigest()) for path in kept}


def determined(runs: Path) -> dict[str, str]:
    """What configuration and seed determine, by name: all files of all trials but the machine-made ones."""
    paths = [p for folder in finished(runs) for p in folder.rglob("*") if p.is_file() and p.name not in MACHINE_MADE]
    whole = [path for path in paths if not path.name.startswith(".")]  # a dot begins what a killed writer left
    return {str(path.relative_to(runs)): sha256(path.read_bytes()).hexdigest() for path in whole}


@pytest.fixture(scope="module")
def unbroken(brains_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("unbroken") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.plots.style.FILES", {})
        assert main(line(runs, brains_cache, "inline")) == 0
    assert len(finished(runs)) == TRIALS
    return runs


def kill_when(runs: Path, call: list[str], *, done: int, delay_s: float) -> None:
    """Start the sweep, wait until so many trials are finished and a moment longer, and kill it."""
    process = subprocess.Popen(call, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(finished(runs)) < done:
        time.sleep(0.05)
    time.sleep(delay_s)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


# By default two kills of `inline`, whose workers Optuna's driver shares; CI adds two of Ray's.
@pytest.mark.parametrize(
    ("driver", "kills"),
    [
        ("inline", 2),
        pytest.param("ray", 2, marks=pytest.mark.slow),
        *(pytest.param(driver, 10, marks=pytest.mark.slow) for driver in DRIVERS),
    ],
)
def test_kills_cost_nothing_but_time(
    unbroken: Path, brains_cache: Path, tmp_path: Path, driver: str, kills: int
) -> None:
    runs, rng = tmp_path / "runs", random.Random(kills)
    call = [sys.executable, str(ROOT / "experiments" / "sweep.py"), *line(runs, brains_cache, driver)]
    for number in range(kills):
        before = digests(finished(runs))
        done = min(TRIALS - 1, number * TRIALS // kills + rng.randrange(2))
        kill_when(runs, call, done=done, delay_s=rng.uniform(0, 1.5))
        assert before.items() <= digests(finished(runs)).items()
    before = digests(finished(runs))
    ended = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert before.items() <= digests(finished(runs)).items()
    assert determined(runs) == determined(unbroken)
