"""Swin blocks: MONAI's output with MONAI's weights, windows that come back, and what a voxel can see."""

import pytest
import torch
from monai.networks.nets.swin_unetr import SwinTransformerBlock, compute_mask

from fusemorph.networks.swin import SwinBlock, join_windows, split_windows

NAMES = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.queries_keys_values": "attn.qkv",
    "attention.projection": "attn.proj",
    "perceptron.0": "mlp.linear1",
    "perceptron.2": "mlp.linear2",
}


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("sides", "window"), [((8, 9, 10), (4, 3, 5)), ((9, 7, 6), (4, 3, 2)), ((10, 7), (4, 3))])
def test_weights_of_monai_give_its_output(sides: tuple[int, ...], window: tuple[int, ...], shifted: bool) -> None:
    torch.manual_seed(0)
    shift = tuple(side // 2 if shifted else 0 for side in window)
    theirs = SwinTransformerBlock(dim=8, num_heads=2, window_size=window, shift_size=shift)
    ours = SwinBlock(channels=8, heads=2, window=window, shifted=shifted)
    weights = {
        f"{ours}.{kind}": theirs.state_dict()[f"{name}.{kind}"]
        for ours, name in NAMES.items()
        for kind in ("weight", "bias")
    }
    ours.load_state_dict({**weights, "attention.position_bias": theirs.attn.relative_position_bias_table.detach()})
    feature = torch.randn(2, *sides, 8)
    padded = [-(-side // size) * size for side, size in zip(sides, window, strict=True)]
    mask = compute_mask(padded, window, shift, torch.device("cpu")) if shifted else None
    torch.testing.assert_close(ours(feature, None), theirs(feature, mask), atol=1e-5, rtol=1e-4)


def test_windows_come_back() -> None:
    feature = torch.rand(2, 6, 4, 9, 3)
    windows = split_windows(feature, (3, 2, 3))
    assert windows.shape == (2 * 2 * 2 * 3, 18, 3)
    assert torch.equal(windows[0].view(3, 2, 3, 3), feature[0, :3, :2, :3])
    assert torch.equal(join_windows(windows, (3, 2, 3), (6, 4, 9)), feature)


@pytest.mark.parametrize(("shifted", "seen"), [(False, range(4, 8)), (True, range(2, 6))])
def test_a_voxel_sees_its_window_and_no_more(shifted: bool, seen: range) -> None:
    block = SwinBlock(channels=4, heads=2, window=(4, 4), shifted=shifted)
    feature = torch.randn(1, 12, 12, 4, requires_grad=True)
    block(feature, None)[0, 5, 5].sum().backward()
    assert feature.grad is not None
    rows, columns = torch.nonzero(feature.grad.abs().sum(-1)[0], as_tuple=True)
    assert (set(rows.tolist()), set(columns.tolist())) == (set(seen), set(seen))


def test_rolled_borders_do_not_see_each_other() -> None:
    block = SwinBlock(channels=4, heads=2, window=(4, 4), shifted=True)
    feature = torch.randn(1, 12, 12, 4, requires_grad=True)
    block(feature, None)[0, 0, 0].sum().backward()
    assert feature.grad is not None
    assert set(torch.nonzero(feature.grad.abs().sum(-1)[0])[:, 0].tolist()) == {0, 1}


def test_positions_in_a_window_cut_to_the_feature_are_those_of_the_whole_window() -> None:
    """A feature smaller than the window is attended to as the corner of it, not as another window."""
    from fusemorph.networks.swin import relative_positions

    device = torch.device("cpu")
    whole = relative_positions((3, 4), (3, 4), device).view(3, 4, 3, 4)
    assert torch.equal(relative_positions((2, 3), (3, 4), device).view(2, 3, 2, 3), whole[:2, :3, :2, :3])


def test_branches_are_dropped_with_a_generator_alone() -> None:
    block = SwinBlock(channels=4, heads=2, window=(2, 2), shifted=False, drop_rate=0.5)
    feature = torch.randn(16, 4, 4, 4)
    assert torch.equal(block(feature, None), block(feature, None))
    drawn = [block(feature, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    untouched = (drawn[0] == feature).flatten(1).all(1).sum()
    assert 0 < untouched < 16
