"""CPU seconds of test files and the processes they wait for: ``python -m pytest -n 0 -p tests.cpu_time tests``.

Wall time says little on a machine that does other things too. A fixture counts for the test that makes it.
"""

import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

FILES: defaultdict[str, float] = defaultdict(float)


def cpu_s() -> float:
    """Of this process and its children that have ended."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    began = cpu_s()
    try:
        return (yield)
    finally:
        FILES[str(item.path.relative_to(Path.cwd()))] += cpu_s() - began


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section(f"CPU seconds: {sum(FILES.values()):.0f}")
    for name, seconds in sorted(FILES.items(), key=lambda row: -row[1]):
        terminalreporter.line(f"{seconds:8.1f}  {name}")
