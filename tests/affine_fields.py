"""Displacements of affine maps, and the shapes, axes and pairs of axes that they are tried on."""

from itertools import permutations

import torch
from torch import Tensor

from fusemorph.grid import identity_grid

SHAPES = [(24, 26), (24, 25, 26)]
AXES = [(shape, axis) for shape in SHAPES for axis in range(len(shape))]
AXIS_PAIRS = [(shape, pair) for shape in SHAPES for pair in permutations(range(len(shape)), 2)]


def linear(shape: tuple[int, ...], matrix: Tensor) -> Tensor:
    """Displacement ``(1, d, *s)`` of the deformation ``matrix @ x``."""
    grid = identity_grid(shape, dtype=torch.float64)
    return (torch.einsum("ij,j...->i...", matrix.double(), grid) - grid)[None]
