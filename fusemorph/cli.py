"""The ``fusemorph`` command: each subcommand is a module with a ``main(argv)``, imported when it is called."""

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

from fusemorph import __version__
from fusemorph.trials.interruption import Interruption

CHECKOUT = "it runs from the checkout: git clone, then python -m pip install -c constraints.txt -e ."
COMMANDS = {
    "check": ("fusemorph.data.check", "check a data set before training on it"),
    "datasets": ("fusemorph.data.describe", "list the data sets that can be read, and how to obtain them"),
    "register": ("fusemorph.register", "apply a trained network to two NIfTI images"),
    "sweep": ("experiments.sweep", "run a study or a search (needs the checkout)"),
    "report": ("reports.__main__", "draw the report again from the records (needs the checkout)"),
    "completion": ("fusemorph.completion", "print the completion of these commands for a shell"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status: 2 for a wrong call, 130 when Ctrl-C ended it."""
    call = parser().parse_args(argv)
    if call.command not in COMMANDS:
        near = get_close_matches(call.command, COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        parser().error(f"unknown command {call.command!r}; known: {', '.join(COMMANDS)}{hint}")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal has no characters for is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        with _leaving_on(signal.SIGTERM, signal.SIGHUP):
            command = load(call.command)
            if command is None:
                print(f"fusemorph {call.command}: {CHECKOUT}", file=sys.stderr)
                return 2
            status: int = command.main(call.arguments)
        return status
    except KeyboardInterrupt:
        print(f"fusemorph {call.command}: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command itself, without the options of its subcommands."""
    described = "\n".join(f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items())
    made = argparse.ArgumentParser(
        "fusemorph",
        description=f"Deformable image registration with explicit fusion strategies.\n\ncommands:\n{described}",
        epilog="fusemorph COMMAND --help describes a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"fusemorph {__version__}")
    made.add_argument("command", metavar="COMMAND")
    made.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    return made


def load(name: str) -> ModuleType | None:
    """The module of a subcommand; None where the checkout that holds it is not installed."""
    module = COMMANDS[name][0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            raise
        return None


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
