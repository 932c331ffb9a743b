"""Whether the storage has room for what a sweep will write, and keeps it whole."""

import errno
import os
import shutil
import stat
from pathlib import Path

from fusemorph.storage import StorageError, unfinished


def require_folder(path: Path) -> None:
    """Refuse a path that neither is a folder nor can become one; nothing is made.

    Raises:
        StorageError: a file, a link to nowhere or a loop of links stands there or above.
    """
    for place in (path, *path.absolute().parents):
        try:
            if not stat.S_ISDIR(place.stat().st_mode):
                raise StorageError(errno.ENOTDIR, f"{path}: must be a folder, {place} is a file")
            return
        except (FileNotFoundError, NotADirectoryError):
            if place.is_symlink():
                raise StorageError(errno.ENOENT, f"{path}: must be a folder, {place} is a broken link") from None
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(error.errno, f"{path}: must be a folder: {error.strerror}") from error


def require_space(folder: Path, *, mib: float) -> None:
    """Refuse to start where the disk could not hold the results, or where results and claims could not be kept whole.

    Raises:
        StorageError: the folder cannot be made, does not rename or create files as it must, or less than ``mib`` is
            free.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_sound(folder)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot write into {folder}: {error.strerror}") from error
    free = shutil.disk_usage(folder).free / 2**20
    if free < mib:
        raise StorageError(errno.ENOSPC, f"no space: {folder} needs about {mib:.0f} MiB, {free:.0f} MiB are free")


def _require_sound(folder: Path) -> None:
    """Try what records and claims rest on: a file takes another's place in one step, and is created by one alone."""
    with unfinished(folder / "probe") as old, unfinished(folder / "probe") as new:
        old.write_bytes(b"old")
        new.write_bytes(b"new")
        new.replace(old)
        lacking = [] if old.read_bytes() == b"new" and not new.exists() else ["replace a file by renaming another"]
        try:
            os.close(os.open(old, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            lacking.append("refuse to create a file that exists")
        except FileExistsError:
            pass
    if lacking:
        raise StorageError(errno.ENOTSUP, f"{folder}: its storage does not {' or '.join(lacking)}; choose another one")
