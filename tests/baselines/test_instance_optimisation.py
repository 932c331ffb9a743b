"""Instance optimisation: a lower loss after every method, nothing without steps, and no second training."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.identity import Identity
from baselines.instance_optimisation import InstanceOptimisation, parametrise
from baselines.voxelmorph_1 import VoxelMorph1
from fusemorph.configuration import Budget, Trial
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Pair, Scan
from fusemorph.fusion.method import Fusion
from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss, total
from fusemorph.method import Method, PairFailed, image_tensor, known_methods, load_method
from fusemorph.metrics import folding_fraction
from fusemorph.networks.registration import Registration
from fusemorph.trials.job import Job
from fusemorph.trials.load import load_trial
from fusemorph.trials.run import run_job
from fusemorph.warp import warp

CPU = torch.device("cpu")
SUPERNET = {"name": "supernet", "of": {"name": "fusion", "channels": [4, 8, 8, 16, 16]}, "plans": ["autofuse"]}
SMALL: dict[str, dict[str, Any]] = {
    "instance_optimisation": {"steps": 3},
    "fine_tuned": {"of": SUPERNET},
    "fusion": {"channels": [4, 8, 8, 16, 16]},
    "lapirn": {"channels": 8},
    "supernet": SUPERNET,
    "transmorph": {"width": 6, "heads": [2, 2, 4, 4], "window": [3, 4, 3]},
}
BUDGET = Budget(steps=2, width=2, learning_rate=1e-3, validations=2, validation_pairs=1)


def make(name: str) -> Method:
    return load_method({"name": name, **SMALL.get(name, {})})


LEARNED = [name for name in known_methods() if make(name).objective]
OF = [*LEARNED, "identity", "affine", "instance_optimisation"]


def make_pair(shape: tuple[int, ...] = (30, 33)) -> Pair:
    grid = np.meshgrid(*map(np.arange, shape), indexing="ij")
    images = [
        np.exp(-sum((axis - shift - side / 2) ** 2 for axis, side in zip(grid, shape, strict=True)) / 40)
        for shift in (0.0, 2.0)
    ]
    scans = [
        Scan(
            id=subject, subject=subject, image=image.astype(np.float32), labels=None, spacing_mm=(1.0,) * len(shape),
            affine=np.eye(len(shape) + 1),
        )
        for subject, image in zip("ab", images, strict=True)
    ]  # fmt: skip
    return Pair(split="val", fixed=scans[0], moving=scans[1], block="0")


def fresh(method: Method, dims: int = 2) -> torch.nn.Module | None:
    torch.manual_seed(0)
    return method.network(dims)


def loss_of(objective: TrainingLoss, registration: Registration, pair: Pair) -> float:
    fixed, moving = (image_tensor(scan.image, CPU) for scan in (pair.fixed, pair.moving))
    warped = warp(moving, registration.displacement)
    return float(total(objective.terms(registration, fixed=fixed, warped=warped, spacing_mm=pair.fixed.spacing_mm)))


@pytest.mark.parametrize("name", OF)
def test_the_loss_of_every_method_is_lowered(name: str) -> None:
    method, pair = make(name), make_pair()
    network, refining = fresh(method), InstanceOptimisation(of=method, steps=20)
    start, found = (each.registration(pair, network=network, device=CPU) for each in (method, refining))
    objective = method.objective or NCC_AND_DIFFUSION
    assert loss_of(objective, found, pair) < loss_of(objective, start, pair) - 1e-3
    assert (start.velocity is None) == (found.velocity is None)


@pytest.mark.parametrize("name", OF)
def test_without_steps_it_is_the_method_itself(name: str) -> None:
    method, pair = make(name), make_pair()
    network = fresh(method)
    found = InstanceOptimisation(of=method, steps=0).register(pair, network=network, device=CPU)
    assert torch.equal(found, method.register(pair, network=network, device=CPU))


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("shape", [(30, 33), (17, 24, 20)])
def test_a_velocity_is_integrated_as_its_network_does(name: str, shape: tuple[int, ...]) -> None:
    """So refining starts from the very displacement that the network gave."""
    method = make(name)
    network = fresh(method, len(shape))
    for layer in network.modules():  # type: ignore[union-attr]
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Conv3d)) and layer.out_channels == len(shape):
            torch.nn.init.normal_(layer.weight, std=0.05)
    found = method.registration(make_pair(shape), network=network, device=CPU)
    assert (found.displacement.abs().max() > 1e-3) == (name != "segmentation_alone")
    first, transform = parametrise(found, learned=True)
    assert torch.equal(transform(first).displacement, found.displacement)
    assert torch.equal(first, found.displacement if found.velocity is None else found.velocity)


@pytest.mark.parametrize("name", ["fusion", "voxelmorph_1", "identity"])
def test_it_repeats_and_works_within_inference_mode(name: str) -> None:
    refining, pair = InstanceOptimisation(of=make(name), steps=3), make_pair()
    network = fresh(refining)
    first = refining.register(pair, network=network, device=CPU)
    with torch.inference_mode():
        again = refining.register(pair, network=network, device=CPU)
    assert torch.equal(first, again)
    assert all(p.grad is None for p in network.parameters()) if network else True


def test_a_method_without_network_is_gone_on_from() -> None:
    """A displacement that the other method found stays, and what is added to it is a smooth map without folding."""
    pair = make_pair()
    refining = InstanceOptimisation(of=make("affine"), steps=10)
    start, found = (m.register(pair, network=None, device=CPU) for m in (refining.of, refining))
    assert start.abs().max() > 1
    assert 0 < (found - start).abs().max() < 2
    assert folding_fraction(found) == 0


def test_a_loss_that_is_not_finite_fails_the_pair() -> None:
    refining = InstanceOptimisation(loss=TrainingLoss(diffusion_weight=1e38, kl_weight=0.0), learning_rate=1e30)
    with pytest.raises(PairFailed, match="loss of instance optimisation is not finite at step 2"):
        refining.register(make_pair(), network=None, device=CPU)


def test_configurations_nest_and_only_say_what_counts() -> None:
    twice = InstanceOptimisation(of=InstanceOptimisation(of=VoxelMorph1(), steps=7))
    configuration = twice.configuration()
    assert configuration["of"]["of"] == VoxelMorph1().configuration()
    assert load_method(json.loads(json.dumps(configuration))) == twice
    assert twice.trained_as == VoxelMorph1()
    other_loss = TrainingLoss(diffusion_weight=3.0)
    assert InstanceOptimisation(of=VoxelMorph1(), loss=other_loss) == InstanceOptimisation(of=VoxelMorph1())
    assert InstanceOptimisation(of=Identity(), loss=other_loss) != InstanceOptimisation(of=Identity())
    with pytest.raises(ValueError, match="'steps' must be 0 or more"):
        InstanceOptimisation(steps=-1)


def test_weights_of_a_finished_trial_are_taken_and_those_of_no_other_are_the_same(
    brains_cache: Path, tmp_path: Path
) -> None:
    method = Fusion(plan="j----sg", channels=(4, 4, 4, 4, 4))
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=2)
    described = dataset.configuration()

    def job(method: Method) -> Job:
        trial = Trial(method=method.configuration(), dataset=described, budget=asdict(BUDGET), seed=0)
        return Job(trial=trial, data=None, cache=brains_cache, splits=("val",))

    refining = job(InstanceOptimisation(of=method, steps=2))
    alone, after = tmp_path / "alone" / refining.trial.key, tmp_path / "after" / refining.trial.key
    assert run_job(refining, alone.parent) == "finished"
    trained = job(method)
    assert run_job(trained, after.parent) == "finished"
    assert run_job(refining, after.parent) == "finished"
    measured = [json.loads((folder / "measured.json").read_text()) for folder in (alone, after)]
    assert "weights_from" not in measured[0]
    assert measured[1]["weights_from"] == trained.trial.key
    files = ["record.json", "weights.safetensors", "history.csv", "gates.csv", "eval/val/pairs.csv"]
    assert all((alone / name).read_bytes() == (after / name).read_bytes() for name in files)
    pairs = [after.parent / key / "eval/val/pairs.csv" for key in (trained.trial.key, refining.trial.key)]
    assert pairs[0].read_bytes() != pairs[1].read_bytes()
    assert load_trial(after)[0] == replace(InstanceOptimisation(of=method), steps=2)
