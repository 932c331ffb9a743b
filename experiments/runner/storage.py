"""Whether the storage has room for what a sweep will write."""

import errno
import shutil
import uuid
from pathlib import Path

from fusemorph.records import StorageError


def require_space(folder: Path, *, mib: float) -> None:
    """Refuse to start where the disk could not hold the results.

    Raises:
        StorageError: the folder cannot be made, or less than ``mib`` is free.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{uuid.uuid4().hex[:8]}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageError(error.errno, f"cannot write into {folder}: {error.strerror}") from error
    free = shutil.disk_usage(folder).free / 2**20
    if free < mib:
        raise StorageError(errno.ENOSPC, f"no space: {folder} needs about {mib:.0f} MiB, {free:.0f} MiB are free")
