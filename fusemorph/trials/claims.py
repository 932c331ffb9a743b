"""Claims: which process works on which trial, so that several share a run folder and orphans are found. No torch.

The claims on a trial are files ``claim-0001.json``, ``claim-0002.json``, ...: the highest number is in force. Taking
over an orphan is creating the next number, which the file system grants to one process only. No lock is held, so
there is none to be left behind.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from fusemorph.records import RecordError, read_json, refused, write_json

HEARTBEAT_S = 1.0
LOST_AFTER_S = 120.0
"""A claim of another host without a heartbeat for so long belongs to an orphan."""


class TakenOver(Exception):
    """Another process goes on with the trial: this one was silent for too long."""


class Claim:
    """A trial held by this process, with a heartbeat from a thread for as long as the context lasts.

    Left without an error, the claim is released; otherwise it stays and names the error, for whoever asks why.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts: dict[str, Any] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Claim":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is not None:
            self._facts["error"] = f"{type(error).__name__}: {error}"
            self._write()
            return
        for claim in _claims(self.path.parent):
            if claim <= self.path:
                claim.unlink(missing_ok=True)

    def note(self, **facts: Any) -> None:
        """Say how far the trial is (JSON values); shown by whoever watches, from the next heartbeat on."""
        self._facts.update(facts)

    def require(self) -> None:
        """Go on only while no other process has taken the trial over.

        Raises:
            TakenOver: one has.
        """
        if _claims(self.path.parent)[-1:] != [self.path]:
            raise TakenOver(f"{self.path.parent} was taken over by another process")

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            self._write()

    def _write(self) -> None:
        with suppress(OSError):  # a full disk must not end the trial here; the next write of results will say so
            write_json(self.path, _signature() | dict(self._facts))


def take_claim(folder: Path) -> Claim | None:
    """Claim a trial's folder; None where a living process holds it, or another was faster.

    Raises:
        StorageError: the claim cannot be written.
    """
    claims = _claims(folder)
    if claims and not is_lost(claims[-1]):
        return None
    number = int(claims[-1].stem.removeprefix("claim-")) + 1 if claims else 1
    path = folder / f"claim-{number:04d}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(_signature()))
    except OSError as error:
        if isinstance(error, FileExistsError) and path.exists():
            return None
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise refused(path, error) from error
    return Claim(path)


def holder(folder: Path) -> Mapping[str, Any] | None:
    """What the claim in force says (host, process, heartbeat, step, ...); None where nobody living holds the trial."""
    claims = _claims(folder)
    if not claims or is_lost(claims[-1]):
        return None
    try:
        return read_json(claims[-1])
    except RecordError:
        return {}


def last_claim(folder: Path, *, process: int | None) -> Mapping[str, Any] | None:
    """What the last claim says where it is that of a process of this host, living or not; None otherwise."""
    claims = _claims(folder)
    try:
        facts = read_json(claims[-1]) if claims else {}
    except RecordError:
        return None
    return facts if facts and (facts.get("host"), facts.get("process")) == (socket.gethostname(), process) else None


def is_lost(claim: Path) -> bool:
    """Whether the process behind a claim is gone: not among this host's, or silent for two minutes on another."""
    try:
        facts = read_json(claim)
        host, process, started = facts["host"], int(facts["process"]), facts["started"]
    except (RecordError, KeyError):
        return _silent_for(claim) > LOST_AFTER_S  # half written: its maker may still be at it
    if host == socket.gethostname():
        return bool(started != _started(process))
    return _silent_for(claim) > LOST_AFTER_S


def _claims(folder: Path) -> list[Path]:
    return sorted(folder.glob("claim-*.json"))


def _signature() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": _started(os.getpid()),
        "heartbeat": time.time(),
    }


def _silent_for(claim: Path) -> float:
    try:
        return time.time() - claim.stat().st_mtime
    except OSError:
        return 0.0


def _started(process: int) -> str | None:
    """When a process of this host started, so that a recycled number is not taken for it; None where it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return None if stat[0] == "Z" else stat[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return None
    try:  # no /proc, as on macOS: alive is all that can be told
        os.kill(process, 0)
    except OSError:
        return None
    return "alive"
