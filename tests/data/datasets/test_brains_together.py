"""The four training sets as one."""

import shutil
from pathlib import Path

import pytest

from fusemorph.data import DataError, Dataset, open_dataset
from fusemorph.data.datasets.brains import Brains
from fusemorph.data.joined import join


def opened(folder: Path) -> Dataset:
    return open_dataset("brains", cache=folder.parent / "cache", **Brains.example(folder))


def test_each_set_keeps_its_own_splits(tmp_path: Path) -> None:
    together = opened(tmp_path / "set")
    for name in ("abide", "ixi"):
        alone = open_dataset(name, tmp_path / "set" / name, cache=tmp_path / "cache", align="none", shape=[24, 28, 24],
                             spacing_mm=1.0, fractions=[0.25, 0.375, 0.375])  # fmt: skip
        for split in alone.splits:
            part = [scan_id for scan_id in together.scan_ids(split) if scan_id.startswith(f"{name}_")]
            assert part == [f"{name}_{scan_id}" for scan_id in alone.scan_ids(split)]


def test_an_image_in_two_sets_is_read_once_and_its_person_is_in_one_split(tmp_path: Path) -> None:
    before = opened(tmp_path / "set")
    test = next(scan_id for scan_id in before.scan_ids("test") if scan_id.startswith("ixi_"))
    train = next(scan_id for scan_id in before.scan_ids("train") if scan_id.startswith("abide_"))
    shutil.copyfile(before.files(train)[0], before.files(test)[0])
    after = open_dataset("brains", tmp_path / "set", cache=tmp_path / "cache", align="none", shape=[24, 28, 24],
                         spacing_mm=1.0, fractions=[0.25, 0.375, 0.375])  # fmt: skip
    assert before.files(test)[0] in after.excluded()
    assert all(test not in after.scan_ids(split) for split in after.splits)
    assert train in after.scan_ids("train")


def test_one_set_is_no_join(tmp_path: Path) -> None:
    arguments = Brains.example(tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / "abide")
    with pytest.raises(DataError, match=r"must hold two or more of the folders adni, abide, adhd200, ixi, holds 1"):
        open_dataset("brains", cache=tmp_path / "cache", **arguments)


def test_sets_that_show_the_same_people_under_other_names_are_not_joined(tmp_path: Path) -> None:
    for name in ("mindboggle", "oasis"):
        (tmp_path / name).mkdir()
    parts = dict.fromkeys(("mindboggle", "oasis"), lambda folder: open_dataset("virtual_brains"))
    with pytest.raises(DataError, match="mindboggle and oasis cannot be one set: OASIS-TRT-20 shows the 20 persons"):
        join(tmp_path, parts, cache=tmp_path / "cache")
