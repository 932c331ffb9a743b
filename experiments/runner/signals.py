"""Signals that stop a sweep as Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOPPED_BY = ("SIGTERM", "SIGHUP", "SIGUSR1")
"""Sent by kill and timeout, by a terminal that closes, and by SLURM before time is up."""


class Interrupted(KeyboardInterrupt):
    """A signal that stops the sweep as Ctrl-C does; its argument is the number."""


@contextmanager
def interrupted_by(names: Sequence[str]) -> Iterator[None]:
    """Let these signals raise ``Interrupted``, in the main thread, unless they are ignored, as nohup ignores SIGHUP."""
    taken = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in names]
        taken = {number: signal.getsignal(number) for number in numbers}
        taken = {number: handler for number, handler in taken.items() if handler not in (signal.SIG_IGN, None)}
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
