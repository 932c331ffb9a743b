"""ACDC and M&Ms as one set."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fusemorph.data import DataError, Dataset, open_dataset
from fusemorph.data.curation import overlaps
from fusemorph.data.datasets.hearts import Hearts


def opened(folder: Path) -> Dataset:
    return open_dataset("hearts", cache=folder.parent / "cache", **Hearts.example(folder))


def test_each_set_keeps_its_splits_and_labels_have_one_naming(tmp_path: Path) -> None:
    together = opened(tmp_path / "set")
    assert together.labels == {1: "right ventricle", 2: "myocardium", 3: "left ventricle"}
    for name in ("acdc", "mnms"):
        alone = open_dataset(name, tmp_path / "set" / name, cache=tmp_path / "cache", shape=together.shape)
        for split in alone.splits:
            part = [scan_id for scan_id in together.scan_ids(split) if scan_id.startswith(f"{name}_")]
            assert part == [f"{name}_{scan_id}" for scan_id in alone.scan_ids(split)]
        scan_id = alone.scan_ids("train")[0]
        labels = alone.scan(scan_id).labels
        assert labels is not None
        np.testing.assert_array_equal(together.scan(f"{name}_{scan_id}").labels, labels)
    pair = together.training_pair(np.random.default_rng(0))
    assert pair.fixed.subject == pair.moving.subject


def test_training_on_both_and_testing_on_one_is_said_to_leak() -> None:
    assert set(overlaps("hearts")) == {"acdc", "mnms"}


def test_one_set_is_no_join(tmp_path: Path) -> None:
    arguments = Hearts.example(tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / "mnms")
    with pytest.raises(DataError, match=r"must hold two or more of the folders acdc, mnms, holds 1"):
        open_dataset("hearts", cache=tmp_path / "cache", **arguments)
