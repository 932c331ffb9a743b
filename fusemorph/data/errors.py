"""The error for unusable images, as opposed to a failing storage."""

import errno


class DataError(ValueError):
    """A file or folder of images breaks a rule; the message begins with its path."""


def out_of_descriptors(error: BaseException) -> bool:
    """Whether too many files are open, in this process or on the machine: that says nothing about the file."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def printable(text: str) -> str:
    """A message on one line that no terminal takes for more than text: what cannot be printed is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
