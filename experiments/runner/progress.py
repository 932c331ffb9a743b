"""What a running sweep tells: a line that lives on a terminal, a bar in a notebook, plain lines elsewhere."""

import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

from rich.console import Console
from rich.live import Live

from fusemorph.trials.claims import describe_holder
from nas.jobs import Status

PLAIN_EVERY_S = 15.0
EARLIEST_FORECAST = 0.005
"""Share of the training that must be done before the pace is taken: what is not trained says nothing of the rest."""


Show = Callable[[Status, str], None]


def watch(statuses: Generator[Status]) -> Status:
    """Show the statuses until the work ends, and stop the work if that is interrupted; returns the last one."""
    began, status = time.monotonic(), None
    forecast = Forecast()
    with closing(statuses), _display() as show:
        for status in statuses:
            elapsed_s = time.monotonic() - began
            show(status, describe(status, elapsed_s, forecast.left_s(_work_left(status), elapsed_s)))
    assert status is not None
    return status


def _display() -> AbstractContextManager[Show]:
    """How progress is shown here: a bar in a notebook, a line that lives on a terminal, plain lines elsewhere."""
    console = Console()
    if console.is_jupyter:
        return _bar()
    return _living_line(console) if sys.stdout.isatty() else nullcontext(_PlainLines())


@contextmanager
def _living_line(console: Console) -> Iterator[Show]:
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda status, text: live.update(text)


class _PlainLines:
    """A line every 15 seconds, while there is work."""

    def __init__(self) -> None:
        self._shown = 0.0

    def __call__(self, status: Status, text: str) -> None:
        if status.left and time.monotonic() - self._shown > PLAIN_EVERY_S:
            print(text, flush=True)
            self._shown = time.monotonic()


@contextmanager
def _bar() -> Iterator[Show]:
    """A bar that counts trials, of ipywidgets or, without them, of characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ipywidgets that are not installed
        from tqdm.auto import tqdm
    with tqdm(unit="trial", bar_format="{bar} {postfix}", leave=True) as bar:

        def show(status: Status, text: str) -> None:
            bar.total, bar.n = status.total, status.total - status.left
            bar.set_postfix_str(text)

        yield show


class Forecast:
    """The time left, by the pace of training since the first of it was done: what came before was no training."""

    def __init__(self) -> None:
        self._all: float | None = None
        self._began: tuple[float, float] = (0.0, 0.0)

    def left_s(self, remaining: float, elapsed_s: float) -> float | None:
        """Seconds until the remaining work is done; None while there is no pace to go by."""
        self._all = remaining if self._all is None else self._all
        if self._all - remaining <= EARLIEST_FORECAST * self._all:
            self._began = (remaining, elapsed_s)
        done, seconds = self._began[0] - remaining, elapsed_s - self._began[1]
        return seconds * remaining / done if done > 0 and elapsed_s > 5 else None


def describe(status: Status, elapsed_s: float, left_s: float | None = None) -> str:
    """One line: trials ended of all, the queue's note, what runs and how far, what is waited for, times."""
    running = ", ".join(f"{job.label} {_place(facts)}" for job, facts in status.running[:3])
    more = f" and {len(status.running) - 3} more" if len(status.running) > 3 else ""
    left = f", about {clock(left_s)} left" if left_s is not None else ""
    states = "".join(
        f", {text}" for text in (f"{len(status.given_up)} given up" * bool(status.given_up), status.note) if text
    )
    held = [f"{job.label}, held by {describe_holder(facts)}" for job, facts in status.waiting]
    others = f" and {len(held) - 1} more" if len(held) > 1 else ""
    at_work = f"{running}{more}" if running else "" if held else "starting"
    waits = f"waits for {held[0]}{others}" if held else ""
    ended = status.total - status.left
    doing = "; ".join(part for part in (at_work, waits) if part)
    return f"{ended}/{status.total} trials{states} | {doing} | {clock(elapsed_s)}{left}"


def _work_left(status: Status) -> float:
    return status.work - sum(job.work * _share(facts) for job, facts in status.running)


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
