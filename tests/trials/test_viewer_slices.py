"""Slices for the viewer: small, in the right place, and true to the field and the gates that they show."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from fusemorph.networks.registration import GateWeights, Registration
from fusemorph.trials.evaluation import evaluate
from fusemorph.trials.viewer_slices import gate_map, view_pair, view_planes

CPU = torch.device("cpu")


def make_pair(shape: tuple[int, ...], *, inside: tuple[slice, ...], labelled: bool = True) -> Pair:
    rng = np.random.default_rng(7)
    mask = np.zeros(shape, bool)
    mask[inside] = True
    scans = []
    for name in ("fixed", "moving"):
        image = np.where(mask, rng.uniform(0.2, 1.0, shape), 0.0).astype(np.float32)
        labels = mask.astype(np.int16) if labelled else None
        spacing = (1.0,) * len(shape)
        scans.append(Scan(id=name, subject=name, image=image, labels=labels, spacing_mm=spacing, affine=np.eye(4)))
    return Pair(split="val", fixed=scans[0], moving=scans[1], block="0")


def still(shape: tuple[int, ...]) -> Registration:
    return Registration(displacement=torch.zeros(1, len(shape), *shape))


def test_no_motion_shows_the_moving_image_and_keeps_volume() -> None:
    pair = make_pair((20, 24, 28), inside=(slice(4, 16), slice(3, 21), slice(6, 20)))
    view = view_pair(pair, still((20, 24, 28)))
    assert np.array_equal(view["warped"], view["moving"])
    assert np.array_equal(view["warped_labels"], view["fixed_labels"])
    assert np.all(view["determinant"] == 1)
    assert not view["displacement"].any()
    axis, slices = int(view["axis"]), view["slices"]
    assert (axis, slices[0], slices[-1]) == (0, 4, 15)  # across the widest plane, from end to end of the foreground
    assert np.array_equal(view["fixed"][3], (255 * pair.fixed.image[slices[3]]).round().astype(np.uint8))


def test_large_images_are_thinned_and_displacements_with_them() -> None:
    shape = (40, 330, 170)
    pair = make_pair(shape, inside=(slice(None),) * 3, labelled=False)
    displacement = torch.zeros(1, 3, *shape)
    displacement[:, 1] = 6.0
    view = view_pair(pair, Registration(displacement=displacement))
    assert view["fixed"].shape == (24, 110, 57)
    assert int(view["stride"]) == 3
    step = int(view["grid_step"])
    assert view["displacement"].shape == (24, 2, len(range(0, 110, step)), len(range(0, 57, step)))
    assert np.all(view["displacement"][:, 0] == 2)
    assert not {"fixed_labels", "warped_labels"} & set(view)


def test_a_plane_is_one_slice() -> None:
    view = view_pair(make_pair((24, 32), inside=(slice(2, 20), slice(2, 30))), still((24, 32)))
    assert view["fixed"].shape == (1, 24, 32)
    assert int(view["axis"]) == -1


def test_the_other_planes_are_small_and_along_their_axes() -> None:
    pair = make_pair((20, 120, 28), inside=(slice(4, 16), slice(3, 100), slice(6, 20)))
    views = view_planes(pair, still((20, 120, 28)).displacement, "worst", without=2)
    assert {name.rsplit("_", 1)[0] for name in views if name.endswith("_fixed")} == {"worst_0", "worst_1"}
    assert views["worst_0_fixed"].shape == (9, 60, 14)  # 120 pixels a side are thinned to 60
    assert views["worst_1_slices"].tolist()[::8] == [3, 99]
    place = int(views["worst_1_slices"][4])
    assert np.array_equal(views["worst_1_fixed"][4], (255 * pair.fixed.image[:, place]).round().astype(np.uint8))


def test_where_the_axes_of_the_body_point_to_is_recorded() -> None:
    view = view_pair(make_pair((20, 24, 28), inside=(slice(4, 16),) * 3), still((20, 24, 28)))
    assert view["directions"].tolist() == ["R", "A", "S"]


@pytest.mark.parametrize("shape", [(20, 24, 40), (20, 24)])
def test_gates_are_seen_where_they_differ_between_voxels(shape: tuple[int, ...]) -> None:
    padded = tuple(-(-side // 16) * 16 for side in shape)
    ramp = torch.linspace(0, 1, padded[0] // 2).view(1, 1, -1, *[1] * (len(shape) - 1))
    weight = ramp.expand(1, 4, *(side // 2 for side in padded))
    seen = gate_map(GateWeights(weight, 1 - weight), shape)
    assert seen is not None
    assert seen.shape == shape
    assert torch.all(seen.diff(dim=0) >= 0)
    assert seen[shape[0] // 2].mean() == pytest.approx(0.5, abs=0.05)
    for flat in (torch.full((1, 4, *[1] * len(shape)), 0.3), torch.full((1, 1, *[1] * len(shape)), 0.3)):
        assert gate_map(GateWeights(flat, 1 - flat), shape) is None


@pytest.fixture(scope="module")
def dataset(brains_cache: Path) -> Dataset:
    return open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)


def evaluated(dataset: Dataset, method: Fusion, *, viewed: bool = True) -> dict[str, bytes]:
    torch.manual_seed(0)
    network = method.network(3).eval()
    return evaluate(method, network, dataset, "val", device=CPU, viewed=viewed)


def test_an_evaluation_keeps_what_the_gates_did(dataset: Dataset) -> None:
    files = evaluated(dataset, Fusion(plan="gsggjjg", channels=(4, 8, 8, 16, 16)))
    rows = np.genfromtxt(io.BytesIO(files["gates.csv"]), delimiter=",", names=True, dtype=None, encoding="utf-8")
    pairs = len(dataset.pairs("val"))
    assert sorted(rows["stage"]) == sorted([1, 3, 4, 7] * pairs)
    assert rows["joint_weight"] + rows["single_weight"] == pytest.approx(1, abs=1e-5)
    with np.load(io.BytesIO(files["viewer.npz"])) as view:
        assert {name for name in view.files if name.startswith("gate")} == {
            "gate1", "gate3", "gate4", "gate7", "gate_slices",
        }  # fmt: skip
        assert view["gate1"].shape == (3, *view["fixed"].shape[1:])
        planes = {name.rsplit("_", 1)[0] for name in view.files if name.endswith("_fixed")}
        assert {"best_0", "best_1", "best_2", "worst_0", "worst_1", "worst_2"} <= planes
        assert len(planes) == 8  # and two of the median pair, whose widest plane has a view of its own


def test_networks_without_gates_have_no_such_file(dataset: Dataset, tmp_path: Path) -> None:
    files = evaluated(dataset, Fusion(plan="early", channels=(4, 8, 8, 16, 16)), viewed=False)
    assert sorted(files) == ["labels.csv", "pairs.csv", "pictures.npz", "summary.json"]


def test_a_gate_for_the_whole_image_has_weights_and_no_map(dataset: Dataset) -> None:
    method = Fusion(plan="autofuse", channels=(4, 8, 8, 16, 16), gate=GateSettings(granularity="scalar"))
    files = evaluated(dataset, method)
    assert "gates.csv" in files
    with np.load(io.BytesIO(files["viewer.npz"])) as view:
        assert not [name for name in view.files if name.startswith("gate")]
