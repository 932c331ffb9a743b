"""Arrays on disk: made once, whole or not at all."""

import errno
import os
import resource
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.cache import Arrays, cache_folder, cached_arrays, content_digest
from fusemorph.storage import StorageError


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"image": np.arange(24.0).reshape(2, 3, 4)}


def test_arrays_are_made_once_a_key(tmp_path: Path) -> None:
    make = Maker()
    first, again, other = (cached_arrays({"key": n}, make, cache=tmp_path) for n in (1, 1, 2))
    assert make.calls == 2
    assert np.array_equal(first["image"], make()["image"])
    assert np.array_equal(again["image"], other["image"])
    with pytest.raises(ValueError, match="read-only"):
        again["image"][0] = 1


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    make = Maker()
    cached_arrays({}, make, cache=tmp_path)
    (stored,) = tmp_path.glob("scans/*/image.npy")
    stored.write_bytes(stored.read_bytes()[:-8])
    assert cached_arrays({}, make, cache=tmp_path)["image"].sum() == 276
    stored.unlink()
    assert cached_arrays({}, make, cache=tmp_path)["image"].sum() == 276
    assert make.calls == 3
    assert [path.name for path in tmp_path.glob("scans/*")] == [stored.parent.name]


def test_many_at_once_get_equal_arrays_and_leave_nothing_behind(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        arrays = list(pool.map(lambda n: cached_arrays({"key": n % 2}, Maker(), cache=tmp_path), range(64)))
    assert all(np.array_equal(each["image"], arrays[0]["image"]) for each in arrays)
    assert len(list(tmp_path.glob("scans/*"))) == 2


def test_an_error_while_making_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> Arrays:
        raise DataError("file: bad")

    with pytest.raises(DataError, match="file: bad"):
        cached_arrays({}, fail, cache=tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_a_cache_that_cannot_be_written_is_a_fault_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file/scans/.*: .*FUSEMORPH_CACHE"):
        cached_arrays({}, Maker(), cache=tmp_path / "file")
    with pytest.raises(StorageError, match=r"cannot write .*file/digests/.*: .*FUSEMORPH_CACHE"):
        content_digest(Path(__file__), cache=tmp_path / "file")


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot write .*scans/\w{64}, .*: no space left on the disk") as caught:
        cached_arrays({}, Maker(), cache=tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("scans/*"))


def test_an_array_cut_short_by_the_storage_is_no_fault_of_the_data(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
        with pytest.raises(StorageError, match=rf"cannot write .*: {os.strerror(errno.EFBIG)}"):
            cached_arrays({}, lambda: {"image": np.zeros(2**16)}, cache=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("scans/*"))


@contextmanager
def descriptors(spare: int) -> Iterator[None]:
    """A process that may open only so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("spare", [0, 1])
def test_too_many_open_files_are_no_damage(tmp_path: Path, spare: int) -> None:
    make = Maker()
    cached_arrays({}, make, cache=tmp_path)
    (entry,) = tmp_path.glob("scans/*")
    before = entry.stat().st_ino
    with (
        pytest.raises(StorageError, match=f"cannot read .*{entry.name}: {os.strerror(errno.EMFILE)}"),
        descriptors(spare),
    ):
        cached_arrays({}, make, cache=tmp_path)
    assert make.calls == 1
    assert entry.stat().st_ino == before


def test_too_many_open_files_are_no_fault_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    with pytest.raises(StorageError, match=f"cannot read .*a: {os.strerror(errno.EMFILE)}"), descriptors(0):
        content_digest(tmp_path / "a", cache=tmp_path)


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_text("one")
    first = content_digest(file, cache=cache)
    file.write_text("two")
    assert content_digest(file, cache=cache) != first
    file.write_text("one")
    assert content_digest(file, cache=cache) == first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        content_digest(tmp_path / "nowhere", cache=tmp_path)


def test_the_folder_is_the_argument_else_the_variable_else_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FUSEMORPH_CACHE", "/variable")
    assert cache_folder(Path("/argument")) == Path("/argument")
    assert cache_folder(Path("~/argument")) == tmp_path / "argument"
    assert cache_folder(None) == Path("/variable")
    monkeypatch.setenv("FUSEMORPH_CACHE", "~/variable")
    assert cache_folder(None) == tmp_path / "variable"
    monkeypatch.delenv("FUSEMORPH_CACHE")
    assert cache_folder(None) == tmp_path / ".cache" / "fusemorph"


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither a variable nor a home says where the cache lies; the temporary folder is returned."""
    monkeypatch.setenv("FUSEMORPH_CACHE", "so that what the code sets is taken back")
    monkeypatch.delenv("FUSEMORPH_CACHE")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    return tmp_path


@pytest.mark.parametrize("home", ["none", "missing"])
def test_without_a_home_the_cache_lies_in_the_temporary_folder_and_that_is_said_once(
    homeless: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, home: str
) -> None:
    if home == "none":  # as for a user id without an entry
        monkeypatch.setattr(os.path, "expanduser", os.fspath)
    folder = homeless / f"fusemorph-cache-{os.getuid()}"
    assert cache_folder(None) == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_folder(None) == folder
    (message,) = caplog.messages
    assert f"the cache is in {folder}; choose another folder by --cache or $FUSEMORPH_CACHE" in message


def test_a_temporary_cache_that_another_user_has_laid_out_is_refused(homeless: Path) -> None:
    (homeless / "laid out").mkdir()
    (homeless / f"fusemorph-cache-{os.getuid()}").symlink_to(homeless / "laid out")
    with pytest.raises(StorageError, match="belongs to another user"):
        cache_folder(None)
