"""Digests and ids follow contents and names inside the data: no date, size, working directory or spelling counts."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError, cache
from fusemorph.data.cache import cached_arrays, content_digest
from fusemorph.data.folder_listing import list_folder

OLD, NEW = b"the first content", b"another, as long!"


def in_place(file: Path) -> None:
    """As ``rsync --inplace -t``."""
    state = file.stat()
    file.write_bytes(NEW)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def renamed_over(file: Path) -> None:
    """As ``rsync -t``."""
    other = file.with_name("other")
    other.write_bytes(NEW)
    shutil.copystat(file, other)
    other.replace(file)


def unpacked(file: Path) -> None:
    """With ``tar -x``, with the date of the file that is there."""
    packed = io.BytesIO()
    entry = tarfile.TarInfo(file.name)
    entry.size, entry.mtime = len(NEW), int(file.stat().st_mtime)
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(NEW))
    subprocess.run(["tar", "-x", "-C", str(file.parent)], input=packed.getvalue(), check=True)


def redirected(file: Path) -> None:
    """A symbolic link that leads to another file of the same date."""
    first, other = (file.parent / name for name in ("first", "other"))
    file.rename(first)
    other.write_bytes(NEW)
    shutil.copystat(first, other)
    file.symlink_to(other)


def folder_swapped(file: Path) -> None:
    """Another folder takes the place of the file's."""
    other = file.parent.with_name("other")
    other.mkdir()
    (other / file.name).write_bytes(NEW)
    shutil.copystat(file, other / file.name)
    file.parent.rename(other.with_name("old"))
    other.rename(file.parent)


def of_another_size(file: Path) -> None:
    """The date alone is kept."""
    state = file.stat()
    file.write_bytes(NEW + NEW)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def of_another_date(file: Path) -> None:
    """The size alone is kept."""
    file.write_bytes(NEW)
    os.utime(file, (1, 1))


@pytest.mark.parametrize(
    "replace",
    [in_place, renamed_over, unpacked, redirected, folder_swapped, of_another_size, of_another_date],
    ids=lambda replace: replace.__name__,
)
@pytest.mark.parametrize("age_s", [0, 10**6])
def test_a_digest_sees_every_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: Callable[[Path], None], age_s: int
) -> None:
    monkeypatch.setattr(cache, "SETTLED_NS", -(10**18))  # remember at once
    file = tmp_path / "data" / "a"
    file.parent.mkdir()
    file.write_bytes(OLD)
    date = int(time.time()) - age_s  # whole seconds, which an archive keeps
    os.utime(file, (date, date))
    before, changed_ns = content_digest(file, cache=tmp_path / "cache"), file.stat().st_ctime_ns
    assert list((tmp_path / "cache" / "digests").iterdir()) or changed_ns % 10**9 == 0
    replace(file)
    while file.stat().st_ctime_ns == changed_ns:  # within one tick of the clock, for which SETTLED_NS is there
        os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    assert content_digest(file, cache=tmp_path / "cache") != before


def test_a_digest_is_remembered_once_the_file_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(OLD)
    while file.stat().st_ctime_ns % 10**9 == 0:
        file.touch()
    content_digest(file, cache=tmp_path)
    assert not (tmp_path / "digests").exists()
    now_ns = time.time_ns()
    monkeypatch.setattr("fusemorph.data.cache.time.time_ns", lambda: now_ns + 3 * 10**9)
    content_digest(file, cache=tmp_path)
    (note,) = (tmp_path / "digests").iterdir()
    note.write_text("0" * 64)
    assert content_digest(file, cache=tmp_path) == "0" * 64
    note.write_text("0" * 63)
    assert content_digest(file, cache=tmp_path) != "0" * 64


def test_storage_that_counts_whole_seconds_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(OLD)
    monkeypatch.setattr(cache, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(cache, "_state", lambda opened: (1, len(OLD), 10**9, 10**9))
    content_digest(file, cache=tmp_path)
    assert not (tmp_path / "digests").exists()


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(OLD)
    digest = hashlib.file_digest

    def late(opened: io.BufferedReader, name: str) -> object:
        file.write_bytes(NEW + NEW)
        return digest(opened, name)

    monkeypatch.setattr("fusemorph.data.cache.hashlib.file_digest", late)
    with pytest.raises(DataError, match="a: changes while it is read"):
        content_digest(file, cache=tmp_path)


def test_arrays_of_a_file_that_has_changed_are_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(OLD)
    sources = {file: content_digest(file, cache=tmp_path)}
    file.write_bytes(NEW)
    with pytest.raises(DataError, match="a: has changed since the data were opened"):
        cached_arrays({}, lambda: {"image": np.zeros(3)}, sources=sources, cache=tmp_path)
    assert not list(tmp_path.glob("scans/*"))


def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(DataError, match="a: must be a regular file"):
        content_digest(tmp_path / "a", cache=tmp_path)


def pairs_table(folder: Path, *rows: tuple[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{fixed},{moving},{split}" for (fixed, moving), split in zip(rows, ("train", "train", "val"), strict=True)
    ]
    (folder / "pairs.csv").write_text("\n".join(["fixed,moving,split", *lines]))


def ids(folder: Path) -> list[str]:
    return list(list_folder(folder, task="inter", seed=0, fractions=(0.7, 0.1, 0.2)).scans)


SPELLINGS = {
    "below": "{}/t1.nii",
    "dotted": "./{}/t1.nii",
    "roundabout": "{0}/../{0}/t1.nii",
    "absolute": "/elsewhere/{}/t1.nii",
    "of the home folder": "~/images/{}/t1.nii",
    "beside": "../images/{}/t1.nii",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ids_of_a_table_do_not_follow_the_spelling_of_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    path = SPELLINGS[spelling].format
    pairs_table(tmp_path, (path("a"), path("b")), (path("c"), path("d")), (path("e"), SPELLINGS["below"].format("f")))
    for working in (tmp_path, tmp_path / "deep" / "er"):
        working.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(working)
        assert ids(tmp_path) == [f"{name}/t1" for name in "abcdef"]


def test_one_image_spelled_twice_is_one_scan(tmp_path: Path) -> None:
    pairs_table(tmp_path, ("a.nii", "b.nii"), ("./a.nii", "c.nii"), ("d.nii", "e.nii"))
    assert ids(tmp_path) == ["a", "b", "c", "d", "e"]


def test_ids_lead_neither_out_of_the_folder_nor_to_this_machine(tmp_path: Path) -> None:
    pairs_table(tmp_path, ("../x/a.nii", "/y/a.nii"), ("z/a.nii", "b.nii"), ("c.nii", "d.nii"))
    assert ids(tmp_path) == ["x/a", "y/a", "z/a", "b", "c", "d"]
