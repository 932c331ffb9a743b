"""Arrays kept on disk under the hash of what they were made from, safe with several processes."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.errors import DataError

Arrays = dict[str, np.ndarray]
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
    """
    try:
        state = path.stat()
        note = cache / "digests" / _hash([str(path.resolve()), state.st_size, state.st_mtime_ns])
        if note.exists() and len(digest := note.read_text()) == 64:
            return digest
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    # A file changed this very moment may change again within one tick of its clock: not remembered yet.
    if time.time_ns() - state.st_mtime_ns > SETTLED_NS:
        _store(note, lambda entry: entry.write_text(digest))
    return digest


def cached_arrays(key: Mapping[str, Any], make: Callable[[], Arrays], *, cache: Path) -> Arrays:
    """The arrays of ``make()``, made once for each ``key`` (JSON) and read-only memory maps ever after."""
    entry = cache / "scans" / _hash(key)
    made: Arrays = {}
    # The second round replaces an entry that is there but damaged; one that another process has just stored stays.
    for replace in (False, True):
        try:
            return _open(entry)
        except (OSError, ValueError, EOFError):
            made = made or make()
            _store(entry, partial(_save, arrays=made), replace=replace)
    return _open(entry)


def _hash(key: Any) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _open(entry: Path) -> Arrays:
    names = json.loads((entry / "names.json").read_text())
    return {name: np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}


def _save(folder: Path, arrays: Arrays) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / "names.json").write_text(json.dumps(sorted(arrays)))


def _store(place: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Write beside ``place``, then rename: other processes see all of it or nothing.

    What is there already stays, unless ``replace``.
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
        advice = "free some space, or choose another folder by $FUSEMORPH_CACHE"
        raise DataError(f"{place.parent}: the cache cannot be written ({error.strerror}); {advice}") from error
