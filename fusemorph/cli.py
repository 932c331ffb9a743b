"""The ``fusemorph`` command: each subcommand is a module with a ``main(argv)``, imported when it is called."""

import argparse
from collections.abc import Sequence
from importlib import import_module

from fusemorph import __version__

COMMANDS = {
    "register": ("fusemorph.register", "apply a trained network to two NIfTI images"),
    "check": ("fusemorph.data.check", "check a data set before training on it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status; a wrong call exits with 2."""
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
    status: int = import_module(COMMANDS[call.command][0]).main(call.arguments)
    return status
