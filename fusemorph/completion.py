"""``fusemorph completion``: a script with which a shell completes subcommands and options."""

import argparse
from collections.abc import Sequence

import shtab

from fusemorph import cli

HOW = """\
Print the script with which a shell completes fusemorph, its subcommands and their options.

  bash: fusemorph completion bash > ~/.local/share/bash-completion/completions/fusemorph
  zsh:  fusemorph completion zsh > DIR/_fusemorph, where DIR is in $fpath
  tcsh: fusemorph completion tcsh > FILE, and source FILE
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script for a shell; 0."""
    call = parser().parse_args(argv)
    print(shtab.complete(whole_parser(), shell=call.shell))
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of ``fusemorph completion``."""
    made = argparse.ArgumentParser(
        "fusemorph completion", description=HOW, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    return made


def whole_parser() -> argparse.ArgumentParser:
    """The command with the options of every subcommand that is here; paths are completed as files."""
    whole = argparse.ArgumentParser("fusemorph")
    commands = whole.add_subparsers()
    for name, (_, summary) in cli.COMMANDS.items():
        module = cli.load(name)
        if module is None:
            continue
        made: argparse.ArgumentParser = module.parser()
        for action in made._actions:
            if action.metavar in ("DIR", "NIFTI", "RUNS", "RUNS/KEY", "FIXED.nii.gz", "MOVING.nii.gz"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        commands.add_parser(
            name, help=summary, description=summary, parents=[made], add_help=False, conflict_handler="resolve"
        )
    return whole
