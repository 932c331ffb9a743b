"""AutoFuse's transformer variant: golden sizes, every plan, any shape, precision, matching."""

from dataclasses import replace

import pytest
import torch

from fusemorph.complexity import count_cost, count_flops
from fusemorph.fusion.fusion_network import FusionNetwork, published_channels
from fusemorph.fusion.matching import match_channels
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.swin_path import heads_for
from tests.fusion.network_laws import (
    assert_checkpointing_gives_the_same_gradients,
    assert_every_weight_learns,
    assert_half_precision_stays_near_full,
)

SMALL = (4, 8, 16, 32)


def build(plan: str = "autofuse", *, dims: int = 3, **settings: object) -> FusionNetwork:
    torch.manual_seed(0)
    return FusionNetwork(dims=dims, plan=plan, channels=SMALL, backbone="transformer", **settings)  # type: ignore[arg-type]


def test_published_size() -> None:
    with torch.device("meta"):
        network = Fusion(backbone="transformer").network(3)
    size = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert size["single"] == 3_485_392
    assert sum(size.values()) == 40_575_750
    assert size["head"] == 121_030


def test_published_heads_are_those_of_both_paths() -> None:
    """w / 8 for the single-image path's w = 32 and w / 16 for the joint path's 64, doubled at each level."""
    assert heads_for(published_channels(16, backbone="transformer")) == (4, 8, 16, 32)
    assert heads_for((16, 46, 2, 80)) == (1, 1, 1, 5)


@pytest.mark.parametrize("plan", ["jjjjjjj", "ssssjjj", "------s", "g----sj", "pdcgjsg"])
def test_every_weight_of_a_plan_learns(plan: str) -> None:
    assert_every_weight_learns(build(plan))


@pytest.mark.parametrize("shape", [(17, 33, 9), (8, 8, 8), (20, 31)])
def test_any_shape_from_eight_voxels(shape: tuple[int, ...]) -> None:
    network = build(dims=len(shape))
    fixed, moving = torch.rand(2, 2, 1, *shape)
    registration = network(fixed, moving)
    assert registration.displacement.shape == (2, len(shape), *shape)
    assert sorted(registration.gates) == list(range(1, 8))
    apart = torch.cat([network(fixed[i : i + 1], moving[i : i + 1]).displacement for i in range(2)])
    torch.testing.assert_close(registration.displacement, apart, rtol=1e-4, atol=1e-4)


def test_stages_have_the_resolutions_of_the_convolutional_network() -> None:
    gates = build()(*torch.rand(2, 1, 1, 32, 48, 32)).gates
    assert [tuple(gates[stage].joint.shape[2:]) for stage in (1, 2, 3, 4, 5, 6, 7)] == [
        (16, 24, 16), (8, 12, 8), (4, 6, 4), (2, 3, 2), (4, 6, 4), (8, 12, 8), (16, 24, 16),
    ]  # fmt: skip


@pytest.mark.parametrize("plan", ["ggggggg", "pppdjgs", "jjjjjjj"])
def test_half_precision_stays_near_full(plan: str) -> None:
    assert_half_precision_stays_near_full(build(plan))


def test_activation_checkpointing_gives_the_same_gradients() -> None:
    assert_checkpointing_gives_the_same_gradients(build)


def test_flops_by_hand() -> None:
    """Early fusion at 32 voxels a side: windows of 5 pad sides of 16 and 8 to 20 and 10, and shrink to sides of 4 and
    2."""
    levels = zip(SMALL, (16, 8, 4, 2), (20, 10, 4, 2), (5, 5, 4, 2), strict=True)
    inputs, total = 2, 0
    for channels, side, padded, window in levels:
        attention = 4 * padded**3 * channels**2 + 2 * padded**3 * window**3 * channels
        block = attention + 8 * side**3 * channels**2
        down = side**3 * 8 * inputs * channels
        up, join = down, 2 * side**3 * channels**2
        total += (down + 2 * block) if side == 2 else (down + 4 * block + join)
        total += 0 if side == 16 else up
        inputs = channels
    head = 16**3 * 27 * (SMALL[0] ** 2 + 2 * 3 * SMALL[0])
    method = Fusion(plan="early", channels=SMALL, backbone="transformer", refine=False)
    assert count_flops(method, (32, 32, 32)) == 2 * (total + head)


@pytest.mark.parametrize(("measure", "plan"), [("parameters", "early"), ("flops", "late")])
def test_matched_capacity(measure: str, plan: str) -> None:
    reference = Fusion(backbone="transformer", channels=published_channels(16, backbone="transformer"))
    method = replace(reference, plan=plan)
    channels = match_channels(method, reference, measure=measure, shape=(32, 32, 32))  # type: ignore[arg-type]
    position = ["parameters", "flops"].index(measure)
    matched = count_cost(replace(method, channels=channels), (32, 32, 32))[position]
    assert abs(matched / count_cost(reference, (32, 32, 32))[position] - 1) <= 0.02
    assert [count % (2 * heads) for count, heads in zip(channels, heads_for(channels), strict=True)] == [0] * 4


def test_backbones_are_not_mixed() -> None:
    with pytest.raises(ValueError, match=r"FusionNetwork\(\): 'channels' must be .* 5 resolutions of the convolution"):
        FusionNetwork(dims=3, plan="early", channels=SMALL)
    with pytest.raises(ValueError, match=r"Fusion\(\): 'channels' must be .* 4 resolutions of the transformer"):
        replace(Fusion(), backbone="transformer")
    with pytest.raises(ValueError, match="'method' must have the backbone of 'reference'"):
        match_channels(Fusion(), Fusion(backbone="transformer"), measure="flops", shape=(32, 32, 32))
