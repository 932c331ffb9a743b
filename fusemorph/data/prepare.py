"""Scans preprocessed several at a time, with the time that is left."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

MOST_THREADS = 8


def prepare_all(make: Callable[[str], object], scan_ids: Sequence[str], *, title: str, progress: bool) -> None:
    """Call ``make`` for each scan, in a thread for each processor of this process, eight at the most.

    Reading, interpolation and alignment leave Python's lock, so that threads do. Each holds one scan, of a brain at 1
    mm with 138 labels up to 2 GiB. The first error ends it, after the scans that have begun; what was made stays in the
    cache.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), disable=not progress, transient=True) as bar:
        task = bar.add_task(title, total=len(scan_ids))
        for _ in _in_threads(make, scan_ids, count=threads()):
            bar.advance(task)


def threads() -> int:
    """How many scans are read at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


def _in_threads(make: Callable[[str], object], scan_ids: Iterable[str], *, count: int) -> Iterator[None]:
    """Once for each scan that is done; what ``make`` returns is let go at once."""
    waiting = iter(scan_ids)
    with ThreadPoolExecutor(count) as pool:
        running: list[Future[None]] = []  # in the order of the scans, so that of several errors the first is raised
        while True:
            running += [pool.submit(_call, make, scan_id) for scan_id in islice(waiting, count - len(running))]
            if not running:
                return
            done = wait(running, return_when=FIRST_COMPLETED).done
            if any(future.exception() for future in done):
                wait(running)
                raise next(error for future in running if (error := future.exception()))
            running = [future for future in running if future not in done]
            yield from (None for _ in done)


def _call(make: Callable[[str], object], scan_id: str) -> None:
    make(scan_id)
