"""Evaluation pairs, blocks and subjects on lists whose answer is known."""

import pytest

from fusemorph.data import DataError
from fusemorph.data.pairing import check_subjects, connected_blocks, mirrored_pairs


def test_ith_meets_ith_from_last_unless_they_are_one_subject() -> None:
    subject = {"a1": "a", "b1": "b", "b2": "b", "c1": "c"}
    assert mirrored_pairs(["a1", "b1", "b2", "c1"], subject.__getitem__) == [("a1", "c1"), ("c1", "a1")]
    assert mirrored_pairs(["a1", "b1", "c1"], subject.__getitem__) == [("a1", "c1"), ("c1", "a1")]


def test_blocks_are_connected_components_in_order_of_appearance() -> None:
    pairs = [("a", "b"), ("c", "d"), ("b", "e"), ("d", "c"), ("f", "g"), ("g", "a")]
    assert connected_blocks(pairs) == ["01", "02", "01", "02", "01", "01"]


def test_a_subject_in_two_splits_is_named() -> None:
    with pytest.raises(DataError, match=r"scan3: subject 'a' is in val, and in train with scan scan1"):
        check_subjects({"train": {"scan1": "a", "scan2": "b"}, "val": {"scan3": "a"}})
