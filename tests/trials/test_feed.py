"""Batches are made one ahead, in order; scans stay on the device while there is room."""

import threading

import numpy as np
import pytest
import torch

from fusemorph.trials.batches import HeldScans
from fusemorph.trials.feed import Feed


def test_each_batch_is_made_once_in_order_and_one_ahead() -> None:
    made: list[int] = []
    ahead = threading.Event()

    def make(step: int) -> int:
        made.append(step)
        if step == 4:
            ahead.set()
        return step * step

    with Feed(make, first=3, last=5) as feed:
        assert feed.next() == 9
        assert ahead.wait(10)
        feed.rest()
        assert made == [3, 4]
        assert [feed.next(), feed.next()] == [16, 25]
    assert made == [3, 4, 5]


def test_what_goes_wrong_in_the_thread_comes_out_where_the_batch_is_due() -> None:
    def make(step: int) -> int:
        if step == 1:
            raise ValueError("a file has changed")
        return step

    with Feed(make, first=0, last=9) as feed:
        assert feed.next() == 0
        feed.rest()
        with pytest.raises(ValueError, match="a file has changed"):
            feed.next()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_scans_are_held_while_there_is_room() -> None:
    array = np.arange(8, dtype=np.float32)
    held = HeldScans(torch.device("cpu"), room=array.nbytes + 3)
    first, second = (held.get(name, "image", array, torch.float32) for name in "ab")
    assert held.get("a", "image", array, torch.float32) is first
    assert held.get("b", "image", array, torch.float32) is not second
    assert held.get("a", "labels", array, torch.int16).dtype == torch.int16
    assert torch.equal(second, torch.from_numpy(array))
