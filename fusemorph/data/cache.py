"""Arrays kept on disk under the hash of what they were made from, safe with several processes."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.data.errors import DataError

Arrays = dict[str, np.ndarray]


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
    _store(note, lambda partial: partial.write_text(digest))
    return digest


def cached_arrays(key: Mapping[str, Any], make: Callable[[], Arrays], *, cache: Path) -> Arrays:
    """The arrays of ``make()``, made once for each ``key`` (JSON) and read-only memory maps ever after."""
    entry = cache / "scans" / _hash(key)
    try:
        return _open(entry)
    except (OSError, ValueError, EOFError):
        shutil.rmtree(entry, ignore_errors=True)  # absent, or damaged on disk: made again
    arrays = make()
    _store(entry, lambda partial: _save(partial, arrays))
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


def _store(place: Path, write: Callable[[Path], object]) -> None:
    """Write beside ``place``, then rename: other processes see all of it or nothing, and the first one stays."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".partial-") as folder:
            partial = Path(folder) / "entry"
            write(partial)
            try:
                partial.rename(place)
            except OSError:
                if not place.exists():
                    raise
    except OSError as error:
        advice = "free some space, or choose another folder by $FUSEMORPH_CACHE"
        raise DataError(f"{place.parent}: the cache cannot be written ({error.strerror}); {advice}") from error
