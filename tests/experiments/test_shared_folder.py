"""Two sweeps on one run folder, each in a container of its own with the same host name; one of them is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusemorph.storage import read_json

ROOT = Path(__file__).parents[2]
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"]
SMALL = ["--set", "spacing_mm=8.0", "--set", "train=4", "--set", "val=4", "--set", "test=4", "--budget", "smoke"]


def start(runs: Path, log: Path) -> subprocess.Popen[bytes]:
    sweep = [sys.executable, str(ROOT / "experiments" / "sweep.py"), "quickstart", *SMALL, "--workers", "1"]
    folders = ["--runs", str(runs), "--cache", str(runs.parent / "cache")]
    call = [*CONTAINER, "sh", "-c", 'hostname same && exec "$@"', "sh", *sweep, *folders]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        return subprocess.Popen(call, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def states(runs: Path) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in runs.glob("*/record.json")]


@pytest.mark.slow  # an orphan of another container is taken over after two minutes
def test_one_goes_on_with_what_the_other_leaves_and_says_what_it_waits_for(tmp_path: Path) -> None:
    if not shutil.which("unshare") or subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let its users have namespaces (unshare)")
    runs, logs = tmp_path / "runs", [tmp_path / "first.txt", tmp_path / "second.txt"]
    first = start(runs, logs[0])
    while first.poll() is None and "running" not in states(runs):
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    (left,) = [path.parent for path in runs.glob("*/record.json") if read_json(path)["status"] == "running"]
    second = start(runs, logs[1])
    assert second.wait(timeout=900) == 0, logs[1].read_text()
    log = logs[1].read_text()
    assert "held by same, process " in log
    assert "taken over after 120 s" in log
    assert read_json(left / "record.json")["status"] == "finished"
    assert set(states(runs)) == {"finished"}
    assert not list(runs.glob("*/claim-*"))
