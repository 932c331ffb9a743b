"""Paths as people write them, wherever a command, a caller or a table names one."""

import argparse
import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with ``~`` for the home folder, which a shell leaves as it is in ``--data=~/images``.

    Raises:
        ValueError: this user has no home folder.
    """
    text = os.path.expanduser(path)
    if text == "~" or text.startswith(f"~{os.sep}"):
        raise ValueError(f"{path}: this user has no home folder; set HOME, or name the folder in full")
    return Path(text)


def path_argument(text: str) -> Path:
    """A path of a command line, for ``argparse``."""
    try:
        return expanded(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
