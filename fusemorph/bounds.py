"""One bound on sizes: what a header, a setting or a file asks for, in bytes, before anything is allocated. No torch."""

import math
import os
import resource
import stat
from collections.abc import Sequence
from pathlib import Path

MOST_VOXELS = 2**27
"""Of one grid, 512 a side: beyond it no registration network is trained."""
SMALLEST_SIDE = 8
"""Of an image that a network of five resolutions registers, in voxels."""
WORK_BYTES = 256
"""The least that a voxel costs where a pair is registered: coordinates, displacements and images, several times."""

_NO_LIMIT = 2**62
# Limit, use, and the part of the use that is cache and given back on demand, of a container (cgroup v2, then v1).
_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_bytes() -> int:
    """Memory that this process may still take: of the machine, of its container, and of its own limit."""
    free = [_on_machine("MemAvailable"), *(_in_container(*cgroup, free=True) for cgroup in _CGROUPS)]
    used = _number(Path("/proc/self/statm"), otherwise=0) * resource.getpagesize()
    return max(0, min(*free, _process_limit() - used))


def total_bytes() -> int:
    """The most memory that this process can ever have, whatever else runs."""
    return min(_on_machine("MemTotal"), *(_in_container(*cgroup, free=False) for cgroup in _CGROUPS), _process_limit())


def memory_problem(count: int) -> str | None:
    """That ``count`` bytes are more than the memory that is free, in words; None where they fit."""
    there = available_bytes()
    return None if count <= there else f"needs {size(count)} of memory, {size(there)} are free"


def grid_problem(shape: Sequence[int]) -> str | None:
    """That images of ``shape`` cannot be registered on this machine, in words; None where they can.

    The machine counts whole: what else runs at the moment says nothing about a setting.
    """
    needed, there = math.prod(shape) * WORK_BYTES, total_bytes()
    if math.prod(shape) > MOST_VOXELS:
        return f"a grid of {sides(shape)} voxels is larger than {sides([round(MOST_VOXELS ** (1 / 3))] * 3)}"
    return (
        f"a grid of {sides(shape)} voxels needs {size(needed)} of memory of {size(there)}" if needed > there else None
    )


def file_problem(path: Path) -> str | None:
    """That a path leads to no ordinary file (a pipe or device would be waited for), in words; None where it does.

    Raises:
        OSError: there is nothing, or it cannot be reached.
    """
    mode = path.stat().st_mode
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return None if stat.S_ISREG(mode) else f"must be a file, is {kinds.get(stat.S_IFMT(mode), 'a device')}"


def size(count: int) -> str:
    """Bytes in words, such as ``1.5 GiB``."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(max(count.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{count / 1024**power:.4g} {units[power]}"


def sides(shape: Sequence[int]) -> str:
    """A shape as ``160x192x224``."""
    return "x".join(f"{side:.6g}" if side > 10**9 else str(side) for side in shape)


def _on_machine(entry: str) -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _process_limit() -> int:
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return _NO_LIMIT if soft == resource.RLIM_INFINITY else soft


def _in_container(folder: Path, limit: str, use: str, cached: str, *, free: bool) -> int:
    most = _number(folder / limit, otherwise=_NO_LIMIT)
    if not free:
        return most
    used = _number(folder / use, otherwise=0)
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        used -= next(int(line.split()[1]) for line in lines if line.startswith(f"{cached} "))
    except (OSError, StopIteration):
        pass
    return most - used


def _number(path: Path, *, otherwise: int) -> int:
    """The first number in a file of the kernel; another where it says ``max`` or cannot be read."""
    try:
        return int(path.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return otherwise
