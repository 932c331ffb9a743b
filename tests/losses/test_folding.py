import pytest
import torch

from fusemorph.grid import identity_grid
from fusemorph.losses import folding


@pytest.mark.parametrize("shape", [(24, 26), (24, 25, 26)])
def test_a_mirror_counts_every_voxel_and_a_stretch_none(shape: tuple[int, ...]) -> None:
    x = identity_grid(shape)
    mirror, stretch = torch.zeros(2, 1, len(shape), *shape)
    mirror[0, 0] = -2 * x[0]
    stretch[0, 0] = 0.5 * x[0]
    voxels = x[0].numel()
    assert folding(mirror).item() == pytest.approx(voxels)
    assert folding(stretch).item() == 0
    # Mean over the batch: one of the two folds.
    assert folding(torch.cat([mirror, stretch])).item() == pytest.approx(voxels / 2)


def test_a_step_against_the_gradient_unfolds() -> None:
    displacement = torch.zeros(1, 2, 24, 24)
    displacement[0, 0] = -1.2 * identity_grid((24, 24))[0]
    displacement.requires_grad_()
    before = folding(displacement)
    (gradient,) = torch.autograd.grad(before, displacement)
    assert folding(displacement - 0.01 * gradient) < before


@pytest.mark.parametrize("shape", [(5, 4), (4, 3, 5)])
def test_gradient_is_exact(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    displacement = torch.randn(2, len(shape), *shape, generator=generator, dtype=torch.float64, requires_grad=True)
    assert folding(displacement) > 1
    assert torch.autograd.gradcheck(folding, displacement)


def test_float32_under_autocast() -> None:
    displacement = torch.randn(1, 3, 8, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty = folding(displacement.bfloat16())
    assert penalty.dtype == torch.float32
