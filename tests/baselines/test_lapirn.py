"""LapIRN: golden size, the levels of its training, and a similarity that keeps to their resolutions."""

from pathlib import Path

import pytest
import torch

from baselines.lapirn import Lapirn
from fusemorph.complexity import count_parameters
from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.losses.ncc import ncc
from fusemorph.losses.resolutions import halve
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.networks.registration import Registration
from fusemorph.trials.training import train

METHOD = Lapirn(channels=4)
BUDGET = Budget(steps=8, width=2, learning_rate=1e-3, validations=4, validation_pairs=2)
CPU = torch.device("cpu")


def test_size() -> None:
    assert count_parameters(Lapirn(), 3) == 923_748


@pytest.mark.parametrize(
    ("share", "levels", "frozen"),
    [(0.0, 1, ()), (0.24, 1, ()), (0.25, 2, (0,)), (0.27, 2, ()), (0.5, 3, (0, 1)), (0.52, 3, ()), (0.99, 3, ())],
)
def test_levels_begin_and_thaw_in_turn(share: float, levels: int, frozen: tuple[int, ...]) -> None:
    network = METHOD.network(2)
    network.advance(share, 0)
    fixed, moving = torch.rand(2, 1, 1, 32, 48)
    registration = network(fixed, moving)
    assert registration.velocity is not None
    assert registration.velocity.shape[2:] == (32 // 2 ** (3 - levels), 48 // 2 ** (3 - levels))
    assert registration.displacement.shape == (1, 2, 32, 48)
    assert registration.halvings == 3 - levels
    registration.displacement.square().sum().backward()
    learning = [any(p.grad is not None for p in level.parameters()) for level in network.levels]
    assert learning == [index < levels and index not in frozen for index in range(3)]


def test_levels_that_have_not_begun_do_not_change(brains_cache: Path) -> None:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)
    half = train(METHOD, dataset, BUDGET, 0, device=CPU, stops=lambda history: len(history) == 2)
    assert half.progress.step == 4
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        fresh = METHOD.network(3)
    names = [f"levels.{level}.first.weight" for level in range(3)]
    changed = [not torch.equal(half.network.get_parameter(n), fresh.get_parameter(n)) for n in names]
    assert changed == [True, True, False]


def test_a_killed_training_ends_bit_equal_at_every_level(
    brains_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusemorph.trials.training.CHECKPOINT_EVERY_S", 0.0)
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)
    whole = train(METHOD, dataset, BUDGET, 0, device=CPU)
    for at in (2, 3, 5):
        checkpoint = tmp_path / f"{at}.safetensors"

        def kill(step: int, terms: object, at: int = at) -> None:
            if step == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(METHOD, dataset, BUDGET, 0, device=CPU, checkpoint=checkpoint, on_step=kill)
        resumed = train(METHOD, dataset, BUDGET, 0, device=CPU, checkpoint=checkpoint)
        assert resumed.resumed_at == at - 1
        pairs = zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert whole.progress.history == resumed.progress.history


def test_a_coarse_level_is_compared_at_its_resolution_and_coarser() -> None:
    objective = TrainingLoss(levels=3, window=7, kl_weight=0.0, folding_weight=0.0)
    fixed, warped = torch.rand(2, 1, 1, 40, 33)
    images = [(fixed, warped)]
    for _ in range(2):
        images.append((halve(images[-1][0]), halve(images[-1][1])))
    losses = [ncc(*pair, window=window) for pair, window in zip(images, (7, 5, 3), strict=True)]
    for halvings in range(3):
        registration = Registration(displacement=torch.zeros(1, 2, 40, 33), halvings=halvings)
        expected = sum(loss * 0.5**i for i, loss in enumerate(losses[halvings:]))
        found = objective.terms(registration, fixed=fixed, warped=warped)["similarity"]
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("settings", [{"window": 5}, {"similarity": "mse"}, {"levels": 0}])
def test_a_pyramid_of_too_small_windows_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"TrainingLoss\(\): '(levels|similarity)' must"):
        TrainingLoss(**{"window": 7, "levels": 3, **settings})  # type: ignore[arg-type]
