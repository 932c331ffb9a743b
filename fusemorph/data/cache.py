"""Arrays kept on disk under the hash of what they were made from, safe with several processes."""

import errno
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.errors import DataError, out_of_descriptors
from fusemorph.records import StorageError, write_bytes

Arrays = dict[str, np.ndarray]
DAMAGE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, EOFError, ValueError)
"""What opening a missing or corrupt entry raises; any other error says nothing about the entry, which stays."""

SETTLED_NS = 2_000_000_000


def cache_folder(cache: Path | None) -> Path:
    """The folder given, else ``$FUSEMORPH_CACHE``, else ``~/.cache/fusemorph``."""
    if cache is not None:
        return Path(cache)
    return Path(os.environ.get("FUSEMORPH_CACHE") or Path.home() / ".cache" / "fusemorph")


def content_digest(path: Path, *, cache: Path) -> str:
    """sha256 of a file's content, remembered in the cache by path, size and time of change.

    Raises:
        DataError: the file is missing or cannot be read.
        StorageError: too many files are open, or the cache cannot be written.
    """
    try:
        state = path.stat()
        note = cache / "digests" / _hash([str(path.resolve()), state.st_size, state.st_mtime_ns])
        if digest := _remembered(note):
            return digest
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        if out_of_descriptors(error):
            raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    # A file changed this very moment may change again within one tick of its clock: not remembered yet.
    if time.time_ns() - state.st_mtime_ns > SETTLED_NS:
        _store(note, lambda entry: write_bytes(entry, digest.encode()))
    return digest


def _remembered(note: Path) -> str:
    """The digest noted, or nothing where there is none to be read."""
    try:
        digest = note.read_text()
    except (OSError, ValueError):
        return ""
    return digest if len(digest) == 64 else ""


def cached_arrays(key: Mapping[str, Any], make: Callable[[], Arrays], *, cache: Path) -> Arrays:
    """The arrays of ``make()``, made once for each ``key`` (JSON) and read-only memory maps ever after.

    Each array holds a file open for as long as it lives.

    Raises:
        StorageError: the cache cannot be written, or not be read for a reason that is not damage.
    """
    entry = cache / "scans" / _hash(key)
    made: Arrays = {}
    # The second round replaces an entry that is there but damaged; one that another process has just stored stays.
    for replace in (False, True):
        try:
            return _open(entry)
        except DAMAGE:
            made = made or make()
            _store(entry, partial(_save, arrays=made), replace=replace)
    return _open(entry)


def _hash(key: Any) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _open(entry: Path) -> Arrays:
    try:
        names = json.loads((entry / "names.json").read_text())
        return {name: np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
    except DAMAGE:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {entry}: {error.strerror}") from error


def _save(folder: Path, arrays: Arrays) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        # By way of memory: NumPy's own writing to a file does not say that the disk is full, only how much it wrote.
        content = io.BytesIO()
        np.save(content, np.ascontiguousarray(array), allow_pickle=False)
        write_bytes(folder / f"{name}.npy", content.getvalue())
    write_bytes(folder / "names.json", json.dumps(sorted(arrays)).encode())


def _store(place: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Write beside ``place``, then rename: other processes see all of it or nothing.

    What is there already stays, unless ``replace``.

    Raises:
        StorageError: no space, no permission, or the storage is gone.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".partial-") as folder:
            entry = Path(folder) / "entry"
            write(entry)
            if replace and place.exists():
                place.rename(Path(folder) / "replaced")
            try:
                entry.rename(place)
            except OSError:
                if not place.exists():
                    raise
    except OSError as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else os.strerror(error.errno or errno.EIO)
        advice = "free some space, or choose another folder by $FUSEMORPH_CACHE"
        raise StorageError(error.errno, f"cannot write {place}, of the cache: {reason}; {advice}") from error
