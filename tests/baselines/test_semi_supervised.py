"""Baselines that learn from some labels: what their files say of their sizes, and training in turns."""

from pathlib import Path

import pytest
import torch

from baselines.deepatlas import DeepAtlas
from baselines.segmentation_alone import SegmentationAlone
from fusemorph.complexity import count_parameters
from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.method import LearnedMethod, SegmentingMethod, load_method
from fusemorph.trials.training import train

SIZES = {
    "cross_stitch": 1_391_173,
    "daff": 2_037_324,
    "deepatlas": 1_346_327,
    "pc_reg": 1_356_695,
    "segmentation_alone": 1_044_916,
    "shared_encoder": 1_055_761,
    "voxelmorph_semi": 301_411,
}
BUDGET = Budget(steps=5, width=2, learning_rate=1e-3, validations=1, validation_pairs=1, symmetric=True)
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_that_the_file_names_and_follow_the_width(name: str) -> None:
    assert count_parameters(load_method({"name": name}), 3) == SIZES[name]
    assert count_parameters(load_method({"name": name, "width": 4}), 3) < SIZES[name] / 4


@pytest.mark.parametrize("name", [name for name in SIZES if name != "voxelmorph_semi"])
def test_both_images_are_segmented_the_same_in_either_direction(name: str) -> None:
    method = load_method({"name": name, "width": 2, "labels": [4, 9]})
    assert isinstance(method, SegmentingMethod)
    torch.manual_seed(0)
    network = method.network(2)
    assert network is not None
    first, second = torch.rand(2, 1, 1, 33, 20)
    single, both = network(first, second), network.both_directions(first, second)  # type: ignore[operator]
    of_first, of_second = (logits.detach() for logits in single.segmentation)
    assert of_first.shape == (1, 3, 33, 20)
    torch.testing.assert_close(both.segmentation[0].detach(), torch.cat((of_first, of_second)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(both.displacement[:1], single.displacement, atol=1e-4, rtol=1e-3)


def test_what_segments_alone_moves_nothing() -> None:
    registration = SegmentationAlone(width=2).network(2)(*torch.rand(2, 1, 1, 32, 20))
    assert not registration.displacement.any()


def test_deepatlas_trains_in_turns_and_ends_bit_equal_when_killed(
    brains_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=2, test=2)
    method: LearnedMethod = DeepAtlas(width=2, segmentation_batches=1, registration_batches=2).for_dataset(dataset)
    assert method.loss.bending_weight == pytest.approx(7.5 * (28 / 128) ** 2)
    whole = train(method, dataset, BUDGET, 0, device=CPU)
    monkeypatch.setattr("fusemorph.trials.training.CHECKPOINT_EVERY_S", 0.0)
    path = tmp_path / "checkpoint.safetensors"

    def kill(step: int, terms: object) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(method, dataset, BUDGET, 0, device=CPU, checkpoint=path, on_step=kill)
    resumed = train(method, dataset, BUDGET, 0, device=CPU, checkpoint=path)
    assert resumed.resumed_at == 2
    theirs = resumed.network.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in whole.network.state_dict().items())
    assert whole.progress.history == resumed.progress.history


@pytest.mark.parametrize(("step", "learning"), [(0, "segments"), (1, "registers"), (2, "registers"), (3, "segments")])
def test_the_step_decides_whose_turn_it_is(step: int, learning: str) -> None:
    network = DeepAtlas(width=2, segmentation_batches=1, registration_batches=2).network(2)
    network.advance(0.5, step)
    assert {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad} == {
        learning
    }
