"""The task of a job array, run as SLURM runs it: stopped before its time is up, it saves and asks to be requeued."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "cluster" / "slurm_array.sh"
# Thousands of steps: it is stopped in the midst of them.
LINE = ["quickstart", "--arm", "C2F match", "--budget", "smoke-50000", "--set", "spacing_mm=8.0", "--set", "val=4"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to submit from, whose environment is the one that the tests run in."""
    environment = tmp_path / ".cluster" / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for folder in (tmp_path, environment):
        shutil.copy(ROOT / "constraints.txt", folder)
    return tmp_path


def submitted(checkout: Path, *line: str) -> subprocess.Popen[str]:
    scheduler = checkout / "bin"
    scheduler.mkdir(exist_ok=True)
    (scheduler / "scontrol").write_text(f'#!/bin/bash\necho "$@" >> "{checkout}/scontrol.txt"\n')
    (scheduler / "scontrol").chmod(0o755)
    surroundings = {
        "PATH": f"{scheduler}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "SLURM_SUBMIT_DIR": str(checkout), "SLURM_CPUS_PER_TASK": "1", "SLURM_ARRAY_JOB_ID": "77",
        "SLURM_ARRAY_TASK_ID": "3",
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", str(SCRIPT), *line, "--runs", "runs"], env=os.environ | surroundings, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_a_task_ends_with_the_status_of_its_sweep(checkout: Path) -> None:
    task = submitted(checkout, "nonsense")
    output, _ = task.communicate()
    assert task.returncode == 2
    assert "unknown study 'nonsense'" in output
    assert not (checkout / "scontrol.txt").exists()


@pytest.mark.slow
def test_a_task_whose_time_is_up_saves_and_goes_back_to_the_queue(checkout: Path, brains_cache: Path) -> None:
    task = submitted(checkout, *LINE, "--cache", str(brains_cache))
    while task.poll() is None and not list((checkout / "runs").glob("*/record.json")):
        time.sleep(0.1)
    time.sleep(5)
    task.send_signal(signal.SIGUSR1)
    output, _ = task.communicate(timeout=120)
    assert task.returncode == 138, output
    assert (checkout / "scontrol.txt").read_text() == "requeue 77_3\n"
    assert len(list((checkout / "runs").glob("*/checkpoint.safetensors"))) == 1
    assert not list((checkout / "runs").glob("*/claim-*"))
