"""Paths as people write them, wherever a command, a caller or a table names one."""

import argparse
import os
from pathlib import Path

LONGEST_PATH = 4095
LONGEST_PART = 255


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
    """A path of a command line, for ``argparse``: expanded, and one that a file system could hold.

    Raises:
        ArgumentTypeError: it is empty, too long, holds a NUL character, or names a user without a home folder.
    """
    shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path, got {shown}")
    if len(os.fsencode(text)) > LONGEST_PATH or any(len(os.fsencode(part)) > LONGEST_PART for part in Path(text).parts):
        raise argparse.ArgumentTypeError(
            f"must be a path of {LONGEST_PATH} bytes at most, and {LONGEST_PART} for each part of it, got {shown}"
        )
    try:
        return expanded(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
