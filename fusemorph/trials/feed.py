"""The batches of a training, each made by a thread while the step before it is computed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Feed(Generic[Batch]):
    """One batch ahead: ``make(step)`` is called in a thread, in the order of the steps from ``first`` on.

    What ``make`` raises comes out of ``next``. Leaving the context waits for the thread.
    """

    def __init__(self, make: Callable[[int], Batch], *, first: int, last: int) -> None:
        """``last``: the step after which no batch is made."""
        self._make, self._last = make, last
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._step = first
        self._coming: Future[Batch] | None = None

    def __enter__(self) -> "Feed[Batch]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def next(self) -> Batch:
        """The batch of the next step; that of the step after it begins to be made."""
        coming = self._coming or self._pool.submit(self._make, self._step)
        batch = coming.result()
        self._step += 1
        self._coming = self._pool.submit(self._make, self._step) if self._step <= self._last else None
        return batch

    def rest(self) -> None:
        """Wait until the thread has made the batch that it is at: from then on it leaves the data set alone."""
        if self._coming is not None:
            self._coming.exception()
