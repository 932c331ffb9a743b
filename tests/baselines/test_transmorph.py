"""TransMorph: the published sizes, and FLOPs that count its attention."""

import pytest
import torch

from baselines.transmorph import Transmorph
from fusemorph.complexity import count_flops, count_parameters

TINY = Transmorph(width=6, heads=(2, 2, 4, 4))


@pytest.mark.parametrize(
    ("method", "millions"),
    [
        (Transmorph(), 46.771251),
        (TINY, 0.24),
        (Transmorph(width=24), 3.03),
        (Transmorph(width=48, heads=(4, 4, 4, 4)), 11.76),
        (Transmorph(width=128, depths=(2, 2, 12, 2), heads=(4, 4, 8, 16)), 108.34),
    ],
)
def test_published_sizes(method: Transmorph, millions: float) -> None:
    size = count_parameters(method, 3)
    assert size / 1e6 == pytest.approx(millions, abs=5e-3 if millions != 46.771251 else 1e-9)


def test_linear_layers_and_attention_count_as_flops() -> None:
    """One more block, by hand: a window of 8x8 voxels of width 4."""
    shape, method = (32, 32), Transmorph(width=4, depths=(1,), heads=(1,), window=(8, 8, 8), last=2)
    voxels, width = 64, 4
    block = 2 * voxels * (3 + 1 + 4 + 4) * width**2 + 2 * 2 * voxels**2 * width
    two = count_flops(Transmorph(width=4, depths=(2,), heads=(1,), window=(8, 8, 8), last=2), shape)
    assert two - count_flops(method, shape) == block


@pytest.mark.parametrize("shape", [(17, 33, 48), (40, 24)])
def test_odd_features_are_merged_and_cropped(shape: tuple[int, ...]) -> None:
    """Sides of 48 are odd at 1/16."""
    fixed, moving = torch.rand(2, 1, 1, *shape)
    displacement = TINY.network(len(shape))(fixed, moving).displacement
    assert displacement.shape == (1, len(shape), *shape)
