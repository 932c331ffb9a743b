"""How a process is asked to stop: at once, or as soon as the training step that it computes is saved."""

from collections.abc import Iterator
from contextlib import contextmanager


class Interruption:
    """A signal handler that ends the process, and waits for the end of a training step before it does.

    ``signal``: the number of the signal that has come; None before.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._held_back = False

    def __call__(self, number: int, frame: object) -> None:
        """Take the signal; one after the first changes nothing, so that tidying up is not cut short."""
        if self.signal is None:
            self.signal = number
            if not self._held_back:
                self.leave()

    def leave(self) -> None:
        """End the process if it was asked to.

        Raises:
            SystemExit: it was; the status is 128 and the number of the signal.
        """
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """A part of the program that looks at ``signal`` itself."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
