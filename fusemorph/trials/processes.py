"""Who a process is, for others that may run on another host, in another container or under another clock. No torch."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROC = Path("/proc")
NAMESPACES = ("pid", "time")
"""In another one of these, the same process has another number, or another time at which it started."""
ENDED = ("Z", "X")
"""States of a process that is through, though its parent has not asked after it yet."""


def describe_process() -> dict[str, Any]:
    """Host, number and start of this process, and the place where these two mean something (None where none does)."""
    number, here = os.getpid(), place()
    state = _state(number) if here else None
    return {"host": socket.gethostname(), "process": number, "started": state[19] if state else None, "place": here}


def place() -> str | None:
    """The boot of the kernel with the namespaces of this process; None where ``/proc`` does not tell, as on macOS.

    Host names will not do: containers of one image share them, and the host's processes have other numbers.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        here = os.readlink(PROC / "self") == str(os.getpid())  # else that of another pid namespace is mounted
    except (OSError, ValueError):
        return None
    return " ".join([boot, *map(_namespace, NAMESPACES)]) if here and boot else None


def has_ended(process: Mapping[str, Any]) -> bool | None:
    """Whether the process of a description has ended; None where that cannot be told from here."""
    number, here = process.get("process"), place()
    if here is None or process.get("place") != here or type(number) is not int or number < 1:
        return None
    if (state := _state(number)) is not None:
        return state[0] in ENDED or state[19] != process.get("started")
    try:  # a /proc that hides the processes of other users shows nothing of one that is there
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass
    return None


def _namespace(kind: str) -> str:
    try:
        return os.readlink(PROC / "self/ns" / kind)
    except OSError:
        return ""  # a kernel without such namespaces


def _state(number: int) -> list[str] | None:
    """The fields of ``/proc/NUMBER/stat`` after the program's name, which may hold anything; None where there are none.

    The first is the state, the twentieth the start in ticks since the boot, which no process of a recycled number has.
    """
    try:
        return (PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
