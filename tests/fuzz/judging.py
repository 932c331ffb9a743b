"""How a command is called with malformed input, and what it may answer."""

import contextlib
import io
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

SECONDS = 120
BYTES = 6 * 2**30
EVERY_PROCESS = 25
"""One case of so many runs as a process of its own, the others in this one."""


def call(case: int, main: Callable[[list[str]], int | None], module: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr; a warning counts as something that nobody asked for."""
    if case % EVERY_PROCESS == 0:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=SECONDS
        )
        return done.returncode, done.stdout, done.stderr
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            status = main(list(arguments)) or 0
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
    return status, out.getvalue(), err.getvalue()


def hidden(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob(".*")]


def judge(done: tuple[int, str, str], *, damage: str, names: list[str], wrong: tuple[int, ...]) -> None:
    status, out, err = done
    report = f"{damage}\nstatus {status}\n{out[-800:]}\n{err[-800:]}"
    assert status in (0, *wrong), report
    assert "Traceback" not in out + err, report
    assert "Warning" not in err, report
    if status:
        lines = [
            line
            for line in err.splitlines()
            if not re.match(r"(usage: |  |(fusemorph \w+|sweep): (note|warning): )", line)
        ]
        lines += [line for line in out.splitlines() if line.startswith("error: ")]
        assert lines, report
        assert all(any(name in line for name in names) or line.startswith("and ") for line in lines), report
