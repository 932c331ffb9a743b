"""Arrays kept on disk under the hash of what they were made from, safe with several processes."""

import errno
import hashlib
import io
import json
import logging
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fusemorph.data.errors import DataError, out_of_descriptors
from fusemorph.paths import expanded
from fusemorph.storage import StorageError, refused, unfinished, write_bytes

Arrays = dict[str, np.ndarray]
DAMAGE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, EOFError, ValueError)
"""What opening a missing or corrupt entry raises; any other error says nothing about the entry, which stays."""

HEADERS = threading.Lock()
"""Held while headers of arrays are read, which NumPy parses as Python: releases such as 3.11.2 fail now and then where
two threads parse at once ("AST constructor recursion depth mismatch", python/cpython#106905)."""

CACHE = "FUSEMORPH_CACHE"
SETTLED_NS = 2_000_000_000


def cache_folder(cache: Path | None) -> Path:
    """The folder given, else ``$FUSEMORPH_CACHE``, else ``~/.cache/fusemorph``, else one of this user in TMPDIR.

    Raises:
        ValueError: the folder given lies in a home folder that this user does not have.
        StorageError: the one in TMPDIR belongs to another user, who might change what is read.
    """
    if named := cache or os.environ.get(CACHE):
        return expanded(named)
    home = os.path.expanduser("~")
    if home != "~" and _can_write(Path(home)):
        return Path(home) / ".cache" / "fusemorph"
    return _temporary_cache()


def _can_write(home: Path) -> bool:
    """Whether a cache can be made in a home folder, or is there."""
    place = home / ".cache" / "fusemorph"
    while not place.exists() and place != home:
        place = place.parent
    return os.access(place, os.W_OK | os.X_OK)


def _temporary_cache() -> Path:
    """A folder in TMPDIR of this user alone; said once, and passed on to the processes that are started."""
    folder = Path(tempfile.gettempdir()) / f"fusemorph-cache-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise StorageError(errno.EPERM, f"{folder} belongs to another user; choose a cache by $FUSEMORPH_CACHE")
    except StorageError:
        raise
    except OSError as error:
        raise refused(folder, error) from error
    os.environ[CACHE] = str(folder)
    advice = f"choose another folder by --cache or ${CACHE}"
    logging.getLogger(__name__).warning(f"no home folder can be written: the cache is in {folder}; {advice}")
    return folder


def content_digest(path: Path, *, cache: Path) -> str:
    """sha256 of a file's content, remembered in the cache for as long as the file is the same.

    Size and time of modification do not tell: ``rsync -t``, ``unzip`` and ``tar`` give other contents the same ones.
    Nobody can set the time of a file's last change (ctime), and what takes its place has another number (inode).

    Raises:
        DataError: the file is missing, cannot be read, or changes while it is read.
        StorageError: too many files are open, or the cache cannot be written.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: must be a regular file")
        with path.open("rb") as file:  # opened first: over a network, that is what makes the state be asked for anew
            state = _state(file)
            note = cache / "digests" / _hash([str(path.resolve()), *state])
            if digest := _remembered(note):
                return digest
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _state(file) != state:
                raise DataError(f"{path}: changes while it is read")
    except OSError as error:
        if out_of_descriptors(error):
            raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if _is_telling(state):
        _store(note, lambda entry: entry.write_text(digest))  # not flushed: half a digest is none, and is made again
    return digest


def _state(file: BinaryIO) -> tuple[int, ...]:
    """Number, size, times of modification and of change."""
    state = os.fstat(file.fileno())
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _is_telling(state: tuple[int, ...]) -> bool:
    """Whether every later change of a file will show in its state.

    Not where it has changed this very moment, and may again within one tick of the clock; nor on storage that counts
    whole seconds, which may have no time of change but that of modification (sshfs).
    """
    changed_ns = state[-1]
    return time.time_ns() - changed_ns > SETTLED_NS and changed_ns % 10**9 != 0


def _remembered(note: Path) -> str:
    """The digest noted, or nothing where there is none to be read."""
    try:
        digest = note.read_text()
    except (OSError, ValueError):
        return ""
    return digest if re.fullmatch("[0-9a-f]{64}", digest) else ""


def cached_arrays(
    key: Mapping[str, Any], make: Callable[[], Arrays], *, cache: Path, sources: Mapping[Path, str] | None = None
) -> Arrays:
    """The arrays of ``make()``, made once for each ``key`` (JSON) and read-only memory maps ever after.

    ``sources``: the digests, in the key, of the files that ``make`` reads. Each array holds a file open for as long as
    it lives.

    Raises:
        DataError: a source is not what its digest says, now that it has been read.
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
            _require_same(sources or {}, cache=cache)
            _store(entry, partial(_save, arrays=made), replace=replace)
    return _open(entry)


def _require_same(sources: Mapping[Path, str], *, cache: Path) -> None:
    for path, digest in sources.items():
        if content_digest(path, cache=cache) != digest:
            raise DataError(f"{path}: has changed since the data were opened")


def _hash(key: Any) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _open(entry: Path) -> Arrays:
    try:
        names = json.loads((entry / "names.json").read_text())
        with HEADERS:
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
        with unfinished(place) as entry, unfinished(place) as replaced:
            write(entry)
            if replace and place.exists():
                place.rename(replaced)
            try:
                entry.rename(place)
            except OSError:
                if not place.exists():
                    raise
    except OSError as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else os.strerror(error.errno or errno.EIO)
        advice = "free some space, or choose another folder by $FUSEMORPH_CACHE"
        raise StorageError(error.errno, f"cannot write {place}, of the cache: {reason}; {advice}") from error
