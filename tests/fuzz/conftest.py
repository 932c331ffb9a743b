"""What all cases have in common: bounds in time and memory."""

import resource
import signal
from collections.abc import Iterator

import pytest

from tests.fuzz.judging import BYTES, SECONDS


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Neither hangs nor takes the memory of others."""

    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {SECONDS} s")

    limits = resource.getrlimit(resource.RLIMIT_DATA)
    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
