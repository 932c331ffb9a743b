"""A signal to the driver alone, as from ``kill``, a scheduler or a closed terminal, stops all that it has started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Demons on pairs that it needs seconds for.
LINE = ["--arm", "demons", "--dataset", "virtual_brains", "--set", "spacing_mm=4.0", "--set", "test=4"]


def running(marker: Path) -> list[str]:
    """Command lines of the processes whose environment names the marker."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(marker).encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return [command for command in found if command and "resource_tracker" not in command]


def wait_for(condition: str, met: Callable[[], bool], *, limit_s: float = 240.0) -> None:
    until = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < until, condition
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("SIGUSR1", 138),
        pytest.param("SIGTERM", 143, marks=pytest.mark.slow),
        pytest.param("SIGHUP", 129, marks=pytest.mark.slow),
        pytest.param("SIGINT", 130, marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_no_process_no_claim_and_no_file(
    brains_cache: Path, tmp_path: Path, name: str, status: int
) -> None:
    runs, scratch = tmp_path / "runs", tmp_path / "scratch"
    scratch.mkdir()
    call = [sys.executable, "-m", "experiments.sweep", "baselines", *LINE, "--runs", str(runs), "--workers", "1"]
    process = subprocess.Popen(
        [*call, "--cache", str(brains_cache)], cwd=ROOT, env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # The driver, its worker and the two processes of a package's method; a fork server where TMPDIR is short.
    wait_for("demons", lambda: any(scratch.glob("fusemorph-demons-*/log.txt")) and len(running(scratch)) >= 4)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate()
    assert process.returncode == status
    assert errors.strip() == "interrupted; run the same line again to continue"
    wait_for("all have ended", lambda: not running(scratch), limit_s=10)
    assert list(runs.glob("*/record.json"))
    assert not list(runs.glob("*/claim-*"))
    assert not list(scratch.glob("fusemorph-*"))
