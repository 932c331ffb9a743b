"""Claims: which process works on which trial, so that several share a run folder and orphans are found. No torch.

The claims on a trial are files ``claim-0001.json``, ``claim-0002.json``, ...: the highest number is in force. Taking
over an orphan is creating the next number, which the file system grants to one process only. No lock is held, so
there is none to be left behind.

A holder counts its heartbeats in its claim. No clock of another machine is believed: a claim is an orphan's when it has
stood still for two minutes by the clock of whoever asks, who must have looked at it for so long. That a process has
ended is known at once only where its number means something, on the same machine and in the same namespaces; or from
the driver that gave it the trial, signed its claim, and has lost the machine. Should that one live on, cut off from the
driver alone, then it finds that it was taken over before it records anything.
"""

import json
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from fusemorph.storage import RecordError, StorageError, read_bytes, refused
from fusemorph.trials.processes import describe_process, has_ended

HEARTBEAT_S = 1.0
LOST_AFTER_S = 120.0
"""A claim of another machine or container that stands still for so long belongs to an orphan."""
NAME = re.compile(r"claim-\d{4,}\.json")


class TakenOver(Exception):
    """Another process has taken the trial over, because this one was silent for too long."""


class Observer:
    """Since when the claims that a process has looked at stand still, by a ``clock`` of its own that never goes back.

    Once is not enough to say anything of a claim: what has died is told from what lives by looking again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[tuple[str, bytes], float]] = {}

    def silent_s(self, claim: Path, content: bytes) -> float:
        """For how long the claim in force of a folder is known to have had this content."""
        now, state = self._clock(), (claim.name, content)
        last, since = self._seen.get(claim.parent, (None, now))
        if last != state:
            since = now
            self._seen[claim.parent] = (state, now)
        return now - since


OBSERVER = Observer()
"""What this process has seen."""


class Claim:
    """A trial held by this process, with a heartbeat from a thread for as long as the context lasts.

    Left without an error, the claim is released; otherwise it stays and names the error, for whoever asks why, and the
    trial is free for others.
    """

    def __init__(self, path: Path, descriptor: int, *, owner: str = "") -> None:
        """``owner``: its signature, by default a new one. ``descriptor``: the file, new and open. It is written in
        place, never by name: once another process has taken over and ended, a file of this name would be a claim that
        nobody holds, or another's."""
        self.path = path
        self._descriptor = descriptor
        self._signature = {"owner": owner or uuid.uuid4().hex} | describe_process()
        self._facts: dict[str, Any] = {}
        self._beat = self._size = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._write()

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
            with suppress(OSError):
                self._write()
        elif self._is_mine():
            for claim in _claims(self.path.parent):  # the own one last: a lower one must not come into force
                if _number(claim) <= _number(self.path):
                    claim.unlink(missing_ok=True)
        os.close(self._descriptor)

    def note(self, **facts: Any) -> None:
        """Say how far the trial is (JSON values); shown by whoever watches, from the next heartbeat on."""
        self._facts.update(facts)

    def in_force(self) -> bool:
        """Whether no other process has taken the trial over."""
        return _claims(self.path.parent)[-1:] == [self.path] and self._is_mine()

    def _is_mine(self) -> bool:
        """Whether the file of that name is the one that was created: it may have been released, and created again."""
        return self._signature["owner"].encode() in _content(self.path)

    def require(self) -> None:
        """Go on only while no other process has taken the trial over.

        Raises:
            TakenOver: one has.
        """
        if not self.in_force():
            raise TakenOver(f"{self.path.parent} was taken over by another process")

    def _beat_on(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            with suppress(OSError):  # a full disk must not end the trial here; the next write of results will say so
                self._write()

    def _write(self) -> None:
        """One heartbeat. The file never shrinks and begins with the owner, so that no reader takes it for another's."""
        self._beat += 1
        content = json.dumps(self._signature | {"beat": self._beat} | dict(self._facts)).encode()
        self._size = max(self._size, len(content))
        os.pwrite(self._descriptor, content.ljust(self._size), 0)
        os.fsync(self._descriptor)


def take_claim(
    folder: Path, *, observer: Observer = OBSERVER, owner: str = "", lost: Collection[str] = ()
) -> Claim | None:
    """Claim a trial's folder; None where another process holds it, as far as is known yet, or was faster.

    ``owner``: the signature of the claim, by default a new one. ``lost``: signatures of which the caller knows that
    they bind no longer.

    Raises:
        StorageError: the claim cannot be written.
    """
    claims = _claims(folder)
    if claims and _is_held(claims[-1], observer, lost):
        return None
    path = folder / f"claim-{_number(claims[-1]) + 1 if claims else 1:04d}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(path, error) from error
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return None
    except OSError as error:
        raise refused(path, error) from error
    try:
        return Claim(path, descriptor, owner=owner)
    except OSError as error:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise refused(path, error) from error


def release_orphan(folder: Path, *, observer: Observer = OBSERVER) -> None:
    """Take the claim of an orphan away, for a process that has looked at it for long enough on behalf of others.

    Raises:
        StorageError: as ``take_claim``.
    """
    if _claims(folder) and (claim := take_claim(folder, observer=observer)) is not None:
        with claim:
            pass


def holder(folder: Path, *, observer: Observer = OBSERVER) -> Mapping[str, Any] | None:
    """What the claim in force says (host, process, step, ...); None where nobody holds the trial, as far as is known.

    ``silent_s`` is added: for how long the claim is known to stand still.
    """
    claims = _claims(folder)
    if not claims or not _is_held(claims[-1], observer):
        return None
    content = _content(claims[-1])
    return _facts(content) | {"silent_s": observer.silent_s(claims[-1], content)}


def describe_holder(facts: Mapping[str, Any]) -> str:
    """Who holds a trial, and for how long nothing has been heard, where that is worth a word."""
    silent_s = facts.get("silent_s", 0.0)
    who = f"{facts.get('host', 'another host')}, process {facts.get('process', 'unknown')}"
    if silent_s < 10 * HEARTBEAT_S:
        return who
    return f"{who}, silent for {silent_s:.0f} s and taken over after {LOST_AFTER_S:.0f} s"


def _is_held(claim: Path, observer: Observer, lost: Collection[str] = ()) -> bool:
    """Whether the process behind a claim is at work, as far as this one can tell."""
    content = _content(claim)
    silent_s, facts = observer.silent_s(claim, content), _facts(content)
    if "error" in facts or facts.get("owner") in lost:
        return False
    ended = has_ended(facts)
    return silent_s <= LOST_AFTER_S if ended is None else not ended


def _claims(folder: Path) -> list[Path]:
    """The claims on a folder, the one in force last; what else a copying program may have left there is none."""
    try:
        return sorted((path for path in folder.iterdir() if NAME.fullmatch(path.name)), key=_number)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {folder}: {error.strerror}") from error


def _number(claim: Path) -> int:
    return int(claim.stem.removeprefix("claim-"))


def _content(claim: Path) -> bytes:
    """Nothing where it cannot be read: it may be half written, or has just been released."""
    try:
        return read_bytes(claim)
    except RecordError:
        return b""


def _facts(content: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
