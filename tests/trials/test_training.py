"""Training: the same bits after an interruption, honest failure, stated schedule."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from fusemorph.losses.supervision import UNLABELLED
from fusemorph.losses.training_loss import TrainingLoss, total
from fusemorph.trials.batches import both_ways, stack_images, stack_labels, training_batch, training_pair
from fusemorph.trials.checkpoint import Progress, restore, save_checkpoint
from fusemorph.trials.step import TrainingFailed, learning_rate, parameter_groups
from fusemorph.trials.training import Trained, train
from fusemorph.warp import warp

BUDGET = Budget(steps=6, width=2, learning_rate=1e-3, validations=2, validation_pairs=2)
METHOD = Fusion(channels=(4, 8, 8, 16, 16), gate=GateSettings(hard=True))
COARSE_TO_FINE = (
    Fusion(
        plan="ggg/qqqq",
        channels=(4, 8, 8, 16, 16),
        gate=GateSettings(hard=True, rate=30.0),
        loss=TrainingLoss(coarser_weight=1.0, inverse_consistency_weight=1.0),
    ),
    replace(BUDGET, symmetric=True, augmentation="affine"),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(brains_cache: Path) -> Dataset:
    return open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)


@pytest.fixture(scope="module")
def whole(dataset: Dataset) -> Trained:
    """A training that nothing interrupts."""
    return train(METHOD, dataset, BUDGET, 0, device=CPU)


class Killed(BaseException):
    """What a test raises in place of a signal."""


def interrupted(
    dataset: Dataset,
    checkpoint: Path,
    *,
    at: int,
    monkeypatch: pytest.MonkeyPatch,
    method: Fusion = METHOD,
    budget: Budget = BUDGET,
) -> Trained:
    monkeypatch.setattr("fusemorph.trials.training.CHECKPOINT_EVERY_S", 0.0)

    def kill(step: int, terms: object) -> None:
        if step == at:
            raise Killed

    with pytest.raises(Killed):
        train(method, dataset, budget, 0, device=CPU, checkpoint=checkpoint, on_step=kill)
    return train(method, dataset, budget, 0, device=CPU, checkpoint=checkpoint)


@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_a_killed_training_ends_bit_equal(
    dataset: Dataset, whole: Trained, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = interrupted(dataset, tmp_path / "checkpoint.safetensors", at=at, monkeypatch=monkeypatch)
    assert resumed.resumed_at == at - 1
    pairs = zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole.progress.history == resumed.progress.history
    assert whole.progress.gates == resumed.progress.gates


def test_history_and_gates_are_taken_where_the_budget_says(whole: Trained) -> None:
    assert [row["step"] for row in whole.progress.history] == [3, 6]
    assert {(row["step"], row["stage"]) for row in whole.progress.gates} == {
        (s, k) for s in (3, 6) for k in range(1, 8)
    }
    for row in whole.progress.history:
        terms = row["similarity"] + row["kl"] + row["folding_penalty"]
        assert row["loss"] == pytest.approx(terms, rel=1e-5)


def test_labels_take_part_where_the_objective_weighs_them(dataset: Dataset, whole: Trained) -> None:
    semi = replace(METHOD, loss=TrainingLoss(dice_weight=1.0))
    histories = [trained.progress.history for trained in (whole, train(semi, dataset, BUDGET, 0, device=CPU))]
    assert "dice_loss" not in histories[0][0]
    assert 0 < histories[1][0]["dice_loss"] < 1
    assert histories[0][-1]["similarity"] != histories[1][-1]["similarity"]


def test_a_scan_without_labels_is_marked_as_such(dataset: Dataset) -> None:
    pairs = [training_pair(dataset, index, seed=0, step=0) for index in range(2)]
    pairs[1] = replace(pairs[1], fixed=replace(pairs[1].fixed, labels=None))
    fixed, moving = stack_labels(pairs, CPU)
    assert [bool((labels == UNLABELLED).all()) for labels in (*fixed, *moving)] == [False, True, False, False]
    assert fixed.shape == stack_images(pairs, CPU)[0].shape


def test_seeds_differ_in_weights_and_in_pairs(dataset: Dataset) -> None:
    first, again, other = (stack_images([training_pair(dataset, 1, seed=s, step=5)], CPU) for s in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


def test_loss_falls(dataset: Dataset) -> None:
    budget = replace(BUDGET, steps=40, learning_rate=3e-3, validations=4)
    history = train(replace(METHOD, plan="early"), dataset, budget, 0, device=CPU).progress.history
    assert history[-1]["similarity"] < history[0]["similarity"] - 0.01


def test_a_loss_that_is_not_finite_ends_with_its_reason(dataset: Dataset) -> None:
    method = replace(METHOD, loss=TrainingLoss(kl_weight=1e38, prior_lambda=1e38))
    with pytest.raises(TrainingFailed, match="not finite at step 1"):
        train(method, dataset, BUDGET, 0, device=CPU)


def test_schedules() -> None:
    budget = replace(BUDGET, steps=100, learning_rate=1.0, warmup_steps=9)
    rates = [learning_rate(budget, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[99] < 0.001
    assert np.all(np.diff(rates[9:]) < 0)
    assert learning_rate(replace(budget, schedule="constant"), 99) == 1.0


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    network, other = METHOD.network(3), replace(METHOD, plan="early").network(3)
    optimiser = torch.optim.Adam(network.parameters())
    save_checkpoint(path, network, optimiser, Progress(step=1))
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors does not fit"):
        restore(path, other, torch.optim.Adam(other.parameters()))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors does not fit"):
        restore(path, network, optimiser)


def test_coarse_to_fine_with_every_option_ends_bit_equal(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, budget = COARSE_TO_FINE
    whole = train(method, dataset, budget, 0, device=CPU)
    path = tmp_path / "checkpoint.safetensors"
    resumed = interrupted(dataset, path, at=4, monkeypatch=monkeypatch, method=method, budget=budget)
    pairs = zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole.progress.history == resumed.progress.history
    assert whole.progress.gates == resumed.progress.gates
    assert {"coarser_similarity", "inverse_consistency"} <= set(whole.progress.history[0])
    assert {"spread", "decided", "correlation_weight"} <= set(whole.progress.gates[-1])


def test_a_symmetric_step_is_the_mean_of_both_directions(dataset: Dataset) -> None:
    """For a loss that is a mean over the batch: the same update as from the pair and its mirror as a batch of two."""
    method = replace(METHOD, plan="---/cccc", loss=TrainingLoss(kl_weight=0.0, folding_weight=0.0))
    budget = replace(BUDGET, steps=1, validations=1, precision="float32", symmetric=True)
    images = training_batch(dataset, budget, seed=0, step=0, labelled=False, device=CPU).images
    trained = train(method, dataset, budget, 0, device=CPU)
    torch.manual_seed(0)
    network = method.network(3)
    fixed, moving = both_ways(*images)
    generator = torch.Generator().manual_seed(0)
    registration = network(fixed, moving, generator=generator)
    found = total(method.loss.terms(registration, fixed=fixed, warped=warp(moving, registration.displacement)))
    assert trained.progress.history[0]["loss"] == pytest.approx(float(found.detach()), abs=1e-3)


def test_inverse_consistency_needs_symmetric_steps(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="'budget' must be symmetric"):
        train(COARSE_TO_FINE[0], dataset, BUDGET, 0, device=CPU)


def test_parameters_are_grouped_by_their_rates() -> None:
    network = COARSE_TO_FINE[0].network(3)
    groups = {group["rate"]: sum(p.numel() for p in group["params"]) for group in parameter_groups(network)}
    logits = sum(p.numel() for name, p in network.named_parameters() if "logit" in name)
    assert groups == {30.0: logits, 1.0: sum(p.numel() for p in network.parameters()) - logits}
