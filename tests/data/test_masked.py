"""Masks that limit what is measured, and what is trained by, where a study asks for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.identity import Identity
from baselines.instance_optimisation import InstanceOptimisation
from fusemorph.configuration import BUDGETS
from fusemorph.data import Dataset, Pair, open_dataset
from fusemorph.data.datasets.learn2reg import Learn2Reg
from fusemorph.data.masked import LOSS, sentences
from fusemorph.fusion.method import Fusion
from fusemorph.metrics import dice_per_label
from fusemorph.trials.batches import training_batch
from fusemorph.trials.measures import measure_pair
from fusemorph.trials.training import train
from fusemorph.trials.validation import pair_dice

CPU = torch.device("cpu")
BUDGET = replace(BUDGETS["smoke"], steps=2, validations=1, precision="float32")
METHOD = Fusion(channels=(4, 8, 8, 16, 16), plan="---/cccc")


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Dataset]:
    """Scans with masks."""
    data = Learn2Reg.example(tmp_path / "task")["data"]

    def open_it(**settings: Any) -> Dataset:
        return open_dataset("learn2reg", data, cache=tmp_path / "cache", **settings)

    return open_it


def first_pair(dataset: Dataset) -> Pair:
    return dataset.pair(dataset.pairs("val")[0])


def test_the_setting_is_recorded_and_without_it_nothing_changes(opened: Callable[..., Dataset]) -> None:
    plain, limited = opened(), opened(masked="both")
    assert limited.configuration() == plain.configuration() | {"masked": "both"}
    assert (
        opened(
            **{name: value for name, value in limited.configuration().items() if name not in ("name", "fingerprint")}
        ).configuration()
        == limited.configuration()
    )
    assert first_pair(plain).limits("metrics") is None
    assert sentences(plain) == []
    assert sentences(opened(masked="loss")) == [
        "Networks are trained by the similarity within the masks of the fixed images."
    ]
    assert len(sentences(limited)) == 2


def test_overlap_is_that_of_labels_within_the_fixed_mask(opened: Callable[..., Dataset]) -> None:
    still = torch.zeros(1, 3, *opened().shape)
    found = {}
    for masked in (None, "loss", "metrics", "both"):
        dataset = opened() if masked is None else opened(masked=masked)
        pair = first_pair(dataset)
        row, rows = measure_pair(pair, still, dataset.labels)
        assert row["dice"] == pytest.approx(pair_dice(pair, still, dataset))
        found[masked] = row["dice"], row["hd95_mm"], row["sdlogj_l2r"], [own["dice"] for own in rows]
    assert found[None] == found["loss"]
    assert found["metrics"] == found["both"] != found[None]
    pair = first_pair(opened())
    assert pair.fixed.labels is not None
    assert pair.moving.labels is not None
    assert pair.fixed.mask is not None
    inside = pair.fixed.mask > 0
    expected = dice_per_label(
        pair.fixed.labels * inside, pair.moving.labels * inside, moving_labels=pair.moving.labels, labels=(1, 2)
    )
    np.testing.assert_allclose(found["metrics"][3], expected)


def test_a_loss_within_masks_trains_other_weights(opened: Callable[..., Dataset]) -> None:
    weights = {
        masked: train(
            METHOD, opened(**({"masked": masked} if masked else {})), BUDGET, 0, device=CPU
        ).network.state_dict()
        for masked in ("", "metrics", "loss")
    }
    name = next(iter(weights[""]))
    assert torch.equal(weights[""][name], weights["metrics"][name])
    assert any(not torch.equal(weights[""][own], weights["loss"][own]) for own in weights[""])


@pytest.mark.parametrize("augmentation", ["none", "flip", "affine"])
@pytest.mark.parametrize("labelled", [False, True])
def test_masks_are_moved_as_the_images_are(labelled: bool, augmentation: Any, opened: Callable[..., Dataset]) -> None:
    budget = replace(BUDGET, augmentation=augmentation, batch_size=2)
    dataset = opened(masked="loss")
    batch, plain = (
        training_batch(own, budget, seed=3, step=1, labelled=labelled, device=CPU) for own in (dataset, opened())
    )
    assert plain.masks is None
    assert batch.masks is not None
    assert all(torch.equal(*both) for both in zip(batch.images, plain.images, strict=True))
    assert (batch.labels is not None) == labelled
    for at, mask in enumerate(batch.masks):
        assert mask.shape == batch.images[at].shape
        assert set(mask.unique().tolist()) == {0, 1}
    if labelled:
        assert batch.labels is not None
        assert plain.labels is not None
        assert all(torch.equal(*both) for both in zip(batch.labels, plain.labels, strict=True))


def test_instance_optimisation_moves_nothing_where_the_mask_and_what_it_pulls_are_empty(
    opened: Callable[..., Dataset],
) -> None:
    """A mask of one half of the image: the velocity of the other half keeps its start, less what regularity spreads."""
    pair = first_pair(opened(masked="loss"))
    half = np.zeros(pair.fixed.image.shape, np.int16)
    half[: len(half) // 4] = 1
    limited = replace(pair, fixed=replace(pair.fixed, mask=half))
    method = InstanceOptimisation(of=Identity(), steps=2)
    moved = {
        name: method.register(own, network=None, device=CPU)[0]
        for name, own in {"limited": limited, "whole": replace(pair, fixed=replace(pair.fixed, mask=None))}.items()
    }
    far = slice(3 * len(half) // 4, None)
    assert limited.limits(LOSS) is not None
    assert moved["limited"][:, far].abs().max() < 0.1 * moved["whole"][:, far].abs().max()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learn2reg", "labels", "'masked' must be one of metrics, loss, both, got 'labels'"),
        ("learn2reg", True, "'masked' must be one of metrics, loss, both, got True"),
        ("virtual_brains", "metrics", "'masked' needs masks beside the images, and no image has one here"),
    ],
)
def test_what_cannot_be_limited_is_refused(name: str, value: Any, message: str, opened: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match=message):
        opened(masked=value) if name == "learn2reg" else open_dataset(name, masked=value)
