"""Arrays on disk: made once, whole or not at all."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError
from fusemorph.data.cache import Arrays, cache_folder, cached_arrays, content_digest


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


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file.*: the cache cannot be written \(.*FUSEMORPH_CACHE"):
        cached_arrays({}, Maker(), cache=tmp_path / "file")


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_text("one")
    first = content_digest(file, cache=cache)
    file.write_text("two")
    assert content_digest(file, cache=cache) != first
    file.write_text("one")
    assert content_digest(file, cache=cache) == first


def test_a_digest_is_remembered_once_the_file_has_settled(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    settled = time.time() - 60
    os.utime(file, (settled, settled))
    first = content_digest(file, cache=tmp_path)
    file.write_text("two")
    os.utime(file, (settled, settled))
    assert content_digest(file, cache=tmp_path) == first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        content_digest(tmp_path / "nowhere", cache=tmp_path)


def test_the_folder_is_the_argument_else_the_variable_else_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSEMORPH_CACHE", "/variable")
    assert cache_folder(Path("/argument")) == Path("/argument")
    assert cache_folder(None) == Path("/variable")
    monkeypatch.delenv("FUSEMORPH_CACHE")
    assert cache_folder(None) == Path.home() / ".cache" / "fusemorph"
