"""The ``fusemorph`` command: each subcommand is a module with a ``main(argv)``, imported when it is called."""

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from fusemorph import __version__
from fusemorph.trials.interruption import Interruption

COMMANDS = {
    "register": ("fusemorph.register", "apply a trained network to two NIfTI images"),
    "check": ("fusemorph.data.check", "check a data set before training on it"),
    "datasets": ("fusemorph.data.describe", "list the data sets that can be read, and how to come by them"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status: 2 for a wrong call, 130 when Ctrl-C ended it."""
    described = "\n".join(f"  {name:10} {what}" for name, (_, what) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "fusemorph",
        description=f"Deformable image registration with explicit fusion strategies.\n\ncommands:\n{described}",
        epilog="fusemorph COMMAND --help describes a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fusemorph {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    call = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal has no characters for is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        with _leaving_on(signal.SIGTERM, signal.SIGHUP):
            status: int = import_module(COMMANDS[call.command][0]).main(call.arguments)
        return status
    except KeyboardInterrupt:
        print(f"fusemorph {call.command}: interrupted", file=sys.stderr)
        return 130


@contextmanager
def _leaving_on(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals that would end the process at once end it as Ctrl-C does, with nothing half written left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in taken:
        signal.signal(number, Interruption())
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
