"""What every dataset promises, on the example that each one writes of itself."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusemorph.data import DataError, Dataset, open_dataset
from tests.contracts.dataset_example import NAMES, UNLABELLED, VARIANTS, Example, opened


@pytest.fixture(scope="module", params=VARIANTS, ids="-".join)
def dataset(request: pytest.FixtureRequest, written: Callable[..., Example]) -> Dataset:
    return written(*request.param).open()


def scans(dataset: Dataset) -> list[str]:
    return [scan_id for split in dataset.splits for scan_id in dataset.scan_ids(split)]


def test_it_says_what_it_is(dataset: Dataset) -> None:
    assert dataset.name in NAMES
    assert all((dataset.title, dataset.source, dataset.licence))
    assert not dataset.synthetic or "SYNTHETIC" in dataset.title


def test_settings_spell_out_every_default_as_json(example: Example) -> None:
    first = example.open()
    settings = json.loads(json.dumps(first.settings))
    assert settings == first.settings
    again = example.open(**settings)
    assert again.settings == settings
    assert again.fingerprint() == first.fingerprint()


def test_all_scans_share_one_grid(dataset: Dataset) -> None:
    for scan_id in scans(dataset):
        scan = dataset.scan(scan_id)
        assert scan.image.shape == dataset.shape
        assert scan.image.dtype == np.float32
        assert scan.image.min() >= 0
        assert scan.image.max() <= 1
        assert scan.image.std() > 0.01
        assert scan.spacing_mm == dataset.spacing_mm
        assert np.linalg.norm(scan.affine[:-1, :-1], axis=0) == pytest.approx(dataset.spacing_mm, rel=1e-3)
        assert (scan.id, scan.subject) == (scan_id, dataset.subject(scan_id))


def test_labels_are_those_that_it_names(dataset: Dataset) -> None:
    assert (not dataset.labels) == (dataset.name in UNLABELLED)
    for scan_id in scans(dataset):
        labels = dataset.scan(scan_id).labels
        assert (labels is not None) == dataset.has_labels(scan_id) == bool(dataset.labels)
        if labels is None:
            continue
        assert labels.dtype == np.int16
        assert labels.shape == dataset.shape
        assert labels.any()
        assert set(np.unique(labels).tolist()) <= {0, *dataset.labels}


def test_splits_share_no_subject(dataset: Dataset) -> None:
    assert dataset.splits == ("train", "val", "test")
    subjects = [{dataset.subject(scan_id) for scan_id in dataset.scan_ids(split)} for split in dataset.splits]
    assert sum(map(len, subjects)) == len(set.union(*subjects))


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_pairs_come_both_ways_between_subjects_or_within_them(dataset: Dataset, split: str) -> None:
    pairs = dataset.pairs(split)
    assert pairs == dataset.pairs(split)
    names = {(index.fixed, index.moving) for index in pairs}
    assert len(names) == len(pairs) > 0
    assert names == {(moving, fixed) for fixed, moving in names}
    assert set().union(*names) <= set(dataset.scan_ids(split))
    same = {dataset.subject(index.fixed) == dataset.subject(index.moving) for index in pairs}
    assert same == {dataset.within_subjects}
    blocks_of: dict[str, set[str]] = {}
    for index in pairs:
        for scan_id in (index.fixed, index.moving):
            blocks_of.setdefault(dataset.subject(scan_id), set()).add(index.block)
    assert all(len(blocks) == 1 for blocks in blocks_of.values())


def test_a_pair_holds_the_scans_of_its_index(dataset: Dataset) -> None:
    index = dataset.pairs("val")[0]
    pair = dataset.pair(index)
    assert pair.name == index.name
    assert (pair.split, pair.block) == ("val", index.block)
    assert np.array_equal(pair.moving.image, dataset.scan(index.moving).image)
    seen = next(region for region in (pair.fixed.mask, pair.fixed.labels, pair.fixed.image) if region is not None)
    assert np.array_equal(pair.foreground, seen > 0)
    if pair.displacement is not None:
        assert pair.displacement.shape == (len(dataset.shape), *dataset.shape)


def test_training_pairs_follow_from_the_generator(dataset: Dataset) -> None:
    def draw(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [dataset.training_pair(rng).name for _ in range(200)]

    assert draw(0) == draw(0) != draw(1)
    ids = dataset.scan_ids("train")
    apart = {f"{a}<-{b}" for a in ids for b in ids if dataset.subject(a) != dataset.subject(b)}
    within = {index.name for index in dataset.pairs("train")}
    assert set(draw(0)) == (within if dataset.within_subjects else apart)


def test_an_unknown_split_lists_the_known(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"'split' must be among \['train', 'val', 'test'\], got 'exam'"):
        dataset.scan_ids("exam")


def test_the_cache_answers_the_second_time(example: Example) -> None:
    first = example.open()
    first.prepare()
    written = {path: path.stat().st_mtime_ns for path in example.cache.glob("scans/*/*")}
    second = example.open()
    second.prepare()
    assert written == {path: path.stat().st_mtime_ns for path in example.cache.glob("scans/*/*")}
    for scan_id in scans(first):
        again = second.scan(scan_id).image
        assert isinstance(again, np.memmap)
        assert not again.flags.writeable
        assert np.array_equal(again, first.scan(scan_id).image)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def test_preparing_keeps_no_file_open(example: Example) -> None:
    before = open_files()
    prepared = example.open()
    prepared.prepare()
    assert open_files() == before
    assert scans(prepared)


def test_few_scans_stay_open(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusemorph.data.dataset.OPEN_SCANS", 2)
    opened = example.open()
    before = open_files()
    arrays = [np.array(opened.scan(scan_id).image) for scan_id in scans(opened) * 2]
    assert open_files() <= before + 2 * 5
    assert all(map(np.array_equal, arrays, [opened.scan(scan_id).image for scan_id in scans(opened) * 2]))


def test_equal_contents_give_equal_arrays_and_fingerprints_anywhere(example: Example, tmp_path: Path) -> None:
    here, there = example.open(), Example(example.name, tmp_path / "elsewhere", tmp_path / "cache").open()
    assert here.fingerprint() == there.fingerprint()
    assert str(tmp_path) not in json.dumps(here.settings)
    assert scans(here) == scans(there)
    for scan_id in scans(here):
        assert np.array_equal(here.scan(scan_id).image, there.scan(scan_id).image)


def identity(dataset: Dataset) -> dict[str, Any]:
    """All that enters the keys of trials and the names of their results."""
    pairs = {split: [(index.name, index.block) for index in dataset.pairs(split)] for split in dataset.splits}
    return {"fingerprint": dataset.fingerprint(), "settings": dataset.settings, "scans": scans(dataset), "pairs": pairs}


def test_a_dataset_is_the_same_wherever_it_lies_and_however_that_is_written(
    filed: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filed.arguments["data"]
    first = identity(filed.open())
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "work").mkdir()
    home = f"~/{folder.relative_to(tmp_path)}"
    for here in (folder, tmp_path / "work"):
        monkeypatch.chdir(here)
        for written in (Path(os.path.relpath(folder)), tmp_path / "link", home, Path(home)):
            assert identity(filed.open(data=written)) == first
    moved = tmp_path / "moved" / "there"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    assert identity(filed.open(data=moved)) == first


def test_a_dataset_goes_by_what_it_has_read_first(filed: Example, tmp_path: Path) -> None:
    dataset = filed.open(cache=tmp_path / "own cache")
    scan_id = dataset.scan_ids("train")[0]
    before = dataset.fingerprint()
    change(dataset.files(scan_id)[0])
    assert dataset.fingerprint() == before
    with pytest.raises(DataError, match=rf"{dataset.files(scan_id)[0].name}: has changed since the data were opened"):
        dataset.scan(scan_id)


def change(path: Path) -> None:
    image = opened(path)
    array = np.asarray(image.dataobj).copy()
    array[tuple(side // 2 for side in array.shape)] = 1
    array[tuple(side // 2 + 1 for side in array.shape)] = 2
    type(image)(array, image.affine).to_filename(path)


def test_the_fingerprint_sees_train_and_val_but_never_test(filed: Example) -> None:
    dataset = filed.open()
    before = dataset.fingerprint()
    for path in dataset.files(dataset.scan_ids("test")[0]):
        change(path)
    assert filed.open().fingerprint() == before
    for split in ("train", "val"):
        for path in dataset.files(dataset.scan_ids(split)[0]):
            change(path)
            after = filed.open().fingerprint()
            assert after != before
            before = after


def test_a_folder_that_is_missing_or_empty_is_named(filed: Example, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'data' must be"):
        open_dataset(filed.name)
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(DataError, match=str(folder)):
            open_dataset(filed.name, folder, cache=filed.cache)


def test_an_unknown_setting_lists_the_known(example: Example) -> None:
    with pytest.raises(ValueError, match=rf"settings of '{example.name}' must be among .*, got \['colour'\]"):
        example.open(colour="red")


def test_an_unknown_dataset_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'no_brains'; known: .*virtual_brains"):
        open_dataset("no_brains")
