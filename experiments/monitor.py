"""What a running sweep tells: one line that lives on a terminal, or a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live

from nas.inline import Status

PLAIN_EVERY_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a trial is called, and how much there is to do: forward FLOPs times steps, at least 1."""

    label: str
    amount: float


def watch(statuses: Iterator[Status], work: Mapping[str, Work]) -> Status:
    """Show the statuses until the sweep ends; returns the last one."""
    began, first_done, shown, status = time.monotonic(), None, 0.0, None
    terminal = sys.stdout.isatty()
    with Live(console=Console(), refresh_per_second=2, transient=True) if terminal else _Quiet() as live:
        for status in statuses:
            done = _amount_done(status, work)
            first_done = done if first_done is None else first_done
            line = describe(status, work, time.monotonic() - began, done, done - first_done)
            if terminal:
                live.update(line)
            elif time.monotonic() - shown > PLAIN_EVERY_S and status.left:
                print(line, flush=True)
                shown = time.monotonic()
    assert status is not None
    return status


def describe(status: Status, work: Mapping[str, Work], elapsed_s: float, done: float, done_here: float) -> str:
    """One line: trials ended of all, what is running and how far, elapsed time and the time left."""
    ended = status.total - len(status.left)
    running = ", ".join(f"{work[key].label} {_place(facts)}" for key, facts in list(status.running.items())[:3])
    remaining = sum(entry.amount for entry in work.values()) - done
    left = f", about {clock(elapsed_s * remaining / done_here)} left" if done_here > 0 and elapsed_s > 5 else ""
    failed = f", {len(status.given_up)} given up" if status.given_up else ""
    return f"{ended}/{status.total} trials{failed} | {running or 'starting'} | {clock(elapsed_s)}{left}"


def _amount_done(status: Status, work: Mapping[str, Work]) -> float:
    ended = sum(entry.amount for key, entry in work.items() if key not in status.left)
    return ended + sum(work[key].amount * _share(facts) for key, facts in status.running.items())


def _share(facts: Mapping[str, object]) -> float:
    step, of = facts.get("step"), facts.get("of")
    return step / of if isinstance(step, int) and isinstance(of, int) else 0.0


def _place(facts: Mapping[str, object]) -> str:
    if "pair" in facts:
        return f"pair {facts['pair']}/{facts['pairs']}"
    return f"step {facts['step']}/{facts['of']} loss {facts['loss']:.3f}" if "step" in facts else "starting"


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in aligned columns, the first one left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


class _Quiet:
    """A context without a display, for output that is no terminal."""

    def __enter__(self) -> "_Quiet":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, line: str) -> None:
        """Nothing to show on."""
