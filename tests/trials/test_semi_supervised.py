"""Training with some labels: hidden ones are never read, and what is not supervised trains as without them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from fusemorph.configuration import Budget
from fusemorph.data import Dataset, open_dataset
from fusemorph.data.datasets.hippocampus import Hippocampus
from fusemorph.data.given import giving
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.losses import Supervision, TrainingLoss
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.training import Trained, train

CPU = torch.device("cpu")
BUDGET = Budget(steps=3, width=2, learning_rate=1e-3, validations=1, validation_pairs=1, symmetric=True)
LOSS = TrainingLoss(
    kl_weight=0.01,
    dice_weight=1.0,
    supervision=Supervision(
        segmentation_weight=1.0, fixed_labels_weight=1.0, moving_labels_weight=1.0, predictions_weight=1.0,
        focal_weight=1.0, detached=False,
    ),
)  # fmt: skip
METHOD = Fusion(plan="c2f-match", channels=published_channels(1), loss=LOSS, segmentation="all")


def brains(cache: Path, **settings: Any) -> Dataset:
    return open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=4, val=2, test=2, **settings)


def trained(method: Fusion, dataset: Dataset, budget: Budget = BUDGET) -> Trained:
    fitted = method.for_dataset(dataset)
    assert isinstance(fitted, Fusion)
    return train(fitted, dataset, budget, 0, device=CPU)


def same_weights(first: Trained, second: Trained) -> bool:
    """Whether every tensor of the first network is in the second, bit for bit."""
    theirs = second.network.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.network.state_dict().items())


@pytest.mark.parametrize("strategy", ["none", "loss"])
def test_with_every_label_hidden_it_trains_as_the_unsupervised_arm(strategy: str, brains_cache: Path) -> None:
    no_stand_ins = replace(LOSS, supervision=replace(LOSS.supervision, predictions_weight=0.0))
    hidden = brains(brains_cache, labelled=0)
    semi = replace(METHOD, segmentation=strategy, loss=no_stand_ins)  # type: ignore[arg-type]
    unsupervised = replace(METHOD, segmentation="none", loss=TrainingLoss(kl_weight=0.01))
    assert same_weights(trained(unsupervised, brains(brains_cache)), trained(semi, hidden))


def test_terms_of_pairs_without_labels_move_nothing(brains_cache: Path) -> None:
    """Of the one labelled subject no pair is drawn in the one step: its terms are computed, and count as 0.

    Not to the bit: the norm of the gradient, by which it is clipped, is summed over more numbers.
    """
    loss = replace(LOSS, supervision=replace(LOSS.supervision, predictions_weight=0.0))
    method, budget = replace(METHOD, segmentation="loss", loss=loss), replace(BUDGET, steps=1)
    dataset = brains(brains_cache)
    drawn = dataset.training_pair(np.random.default_rng([0, 0]))
    others = sorted(set(dataset.labelled_subjects) - {drawn.fixed.subject, drawn.moving.subject})
    hidden, masked = (trained(method, brains(brains_cache, labelled=labelled), budget) for labelled in (0, others))
    assert masked.progress.history[0]["segmentation"] == 0
    states = (hidden.network.state_dict(), masked.network.state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=1e-6)


def test_hidden_labels_are_never_read(tmp_path: Path) -> None:
    Hippocampus.example(tmp_path / "true")
    shutil.copytree(tmp_path / "true", tmp_path / "poisoned")
    found = []
    for name in ("true", "poisoned"):
        settings: dict[str, Any] = {"data": tmp_path / name, "shape": [24, 24, 24], "labelled": 1}
        dataset = open_dataset("hippocampus", cache=tmp_path / "cache", **settings)
        if name == "poisoned":
            hidden = [i for i in dataset.scan_ids("train") if dataset.subject(i) not in dataset.labelled_subjects]
            assert hidden
            for scan_id in hidden:
                path = dataset.files(scan_id)[1]
                image = nib.Nifti1Image.from_filename(path)
                nib.save(nib.Nifti1Image((2 - np.asarray(image.dataobj)).astype(np.int16), image.affine), path)
            dataset = open_dataset("hippocampus", cache=tmp_path / "cache", **settings)
        found.append((dataset.fingerprint(), trained(METHOD, dataset)))
    assert found[0][0] != found[1][0]
    assert same_weights(found[0][1], found[1][1])


def test_labels_decide_what_is_learned_and_terms_are_logged_apart(brains_cache: Path) -> None:
    none, every = (trained(METHOD, brains(brains_cache, **settings)) for settings in ({"labelled": 0}, {}))
    assert not same_weights(none, every)
    row = every.progress.history[-1]
    assert row["dice_loss"] > 0
    assert row["segmentation"] > 0
    assert row["fixed_labels"] == row["moving_labels"] == row["predictions"] == 0
    assert none.progress.history[-1]["predictions"] > 0
    assert 0 <= row["val_segmentation_dice"] <= 1


@pytest.mark.parametrize("at", [1, 2])
def test_a_killed_training_ends_bit_equal(
    at: int, brains_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = brains(brains_cache, labelled=2)
    method, path = METHOD.for_dataset(dataset), tmp_path / "checkpoint.safetensors"
    whole = train(method, dataset, BUDGET, 0, device=CPU)
    monkeypatch.setattr("fusemorph.trials.training.CHECKPOINT_EVERY_S", 0.0)

    def kill(step: int, terms: object) -> None:
        if step == at + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(method, dataset, BUDGET, 0, device=CPU, checkpoint=path, on_step=kill)
    resumed = train(method, dataset, BUDGET, 0, device=CPU, checkpoint=path)
    assert resumed.resumed_at == at
    assert same_weights(whole, resumed)
    assert whole.progress.history == resumed.progress.history


def test_segmentation_dice_stands_in_the_tables(brains_cache: Path) -> None:
    dataset = brains(brains_cache)
    method = METHOD.for_dataset(dataset)
    network = method.network(3)
    assert network is not None
    files = evaluate(method, network.eval(), dataset, "val", device=CPU, viewed=False)
    for name in ("pairs.csv", "labels.csv"):
        assert b"segmentation_dice" in files[name].splitlines()[0]
    assert b'"segmentation_dice"' in files["summary.json"]


@pytest.mark.parametrize("plan", ["c2f-autofuse", "c2f-correlation", "ggggggg"])
def test_controls_of_input_fusion_see_the_label_maps_that_they_are_shown(plan: str, brains_cache: Path) -> None:
    """With the true ones the displacement depends on them, in evaluation too; nothing is predicted."""
    dataset = brains(brains_cache)
    method = replace(METHOD, plan=plan, segmentation="input", segmentation_input="true")
    shown = method.sees(dataset)
    run = trained(method, shown)
    pair = shown.pair(shown.pairs("val")[0])
    seen = method.registration(pair, network=run.network, device=CPU)
    assert seen.segmentation is None
    assert pair.fixed.given is not None
    assert pair.fixed.given is pair.fixed.labels
    blank = replace(pair, fixed=replace(pair.fixed, given=np.zeros_like(pair.fixed.given)))
    assert not torch.equal(seen.displacement, method.registration(blank, network=run.network, device=CPU).displacement)
    assert json.loads(evaluate(method, run.network, shown, "val", device=CPU)["summary.json"])["dice"]["mean"] > 0


def test_another_subjects_label_map_is_of_train_and_stays_the_same(brains_cache: Path) -> None:
    dataset = brains(brains_cache)
    shown = giving(dataset, "another")
    of_train = [dataset.scan(scan_id) for scan_id in dataset.scan_ids("train")]
    for split in ("train", "val"):
        for scan_id in shown.scan_ids(split):
            given = shown.scan(scan_id).given
            assert given is not None
            (owner,) = [scan.subject for scan in of_train if scan.labels is not None and (scan.labels == given).all()]
            assert owner != dataset.subject(scan_id)
            assert giving(dataset, "another").scan(scan_id).given is given
    assert shown.fingerprint() == dataset.fingerprint()
    with pytest.raises(ValueError, match="only be shown where every subject of train is labelled"):
        giving(brains(brains_cache, labelled=2), "true")


def test_label_maps_are_shown_to_input_fusion_alone() -> None:
    with pytest.raises(ValueError, match="'segmentation' must be 'input' where label maps are shown"):
        replace(METHOD, segmentation="all", segmentation_input="true")
