"""What a training step spends on anything but the network and its loss: data, reading losses, clipping and Adam."""

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch

from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.trials import training
from fusemorph.trials.feed import Feed
from fusemorph.trials.step import TrainingStep

T = TypeVar("T")
WIDTH, STEPS, MOST = 8, 6, 0.03


def test_share_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time, so that what else runs on the machine does not count."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, call: Callable[..., T]) -> Callable[..., T]:
        def measured(*args: object, **kwargs: object) -> T:
            began = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent[name] += time.process_time() - began

        return measured

    dataset = open_dataset("virtual_brains", cache=tmp_path, train=4, val=2, test=0, spacing_mm=3.0)
    dataset.prepare()
    for kind, method, name in (
        (TrainingStep, "__call__", "step"),
        (TrainingStep, "gradient", "network and loss"),
        (Feed, "next", "data"),
        (training.Unread, "read", "reading"),
        (training, "_record_validation", "validation"),
    ):
        monkeypatch.setattr(kind, method, timed(name, getattr(kind, method)))
    budget = Budget(steps=STEPS, width=WIDTH, learning_rate=1e-4, validations=1, validation_pairs=1)
    whole = timed("whole", training.train)
    whole(Fusion(channels=published_channels(WIDTH)), dataset, budget, 0, device=torch.device("cpu"))
    spent["clipping and Adam"] = spent["step"] - spent["network and loss"]
    all_s = spent["whole"] - spent["validation"]
    shares = {name: spent[name] / all_s for name in ("data", "reading", "clipping and Adam")}
    listed = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
    print(f"\nAutoFuse c = {WIDTH}, {dataset.shape}: {spent['step'] / STEPS:.2f} s a step, of which {listed}")
    assert sum(shares.values()) <= MOST
