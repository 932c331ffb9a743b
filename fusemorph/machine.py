"""What the machine adds to a result: processor, device, versions, commit."""

import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fusemorph import __version__
from fusemorph.catalogue import folders

PACKAGES = ("torch", "numpy", "scipy", "nibabel")


def describe_machine(device: torch.device, *, threads: int) -> dict[str, Any]:
    """Where and with what something ran, as the first call of this process found it."""
    entries = {"entries": [str(folder) for folder in folders()]} if folders() else {}
    return entries | {
        "threads": threads,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "host_cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {"fusemorph": __version__} | {package: version(package) for package in PACKAGES},
        "commit": commit(),
        "command": command_line(),
    }


def command_line() -> str:
    """The command line of this process, the program without its folder."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def peak_memory_mib() -> float:
    """Peak memory of this process since its start.

    Linux's own figure where there is one: ``ru_maxrss`` passes from parent to child through fork and exec, so
    that a small child of a large process measures its parent.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def commit() -> str | None:
    """The commit of the checkout with ``+`` for uncommitted changes, or None outside one; fixed at the first call."""
    here = Path(__file__).parent
    calls = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "-uno"])
    try:
        head, dirty = (subprocess.run(c, cwd=here, capture_output=True, text=True, check=True).stdout for c in calls)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("+" if dirty.strip() else "")
