"""Pairs of a textured ellipsoid whose affine map is known."""

import math

import torch
from torch import Tensor

from fusemorph.affine import affine_displacement
from fusemorph.grid import identity_grid


def matrix(
    shape: tuple[int, ...], *, shift: float = 0.0, degrees: float = 0.0, scale: float = 1.0, spacing_mm: float = 1.0
) -> Tensor:
    """``A|b`` in voxels of a turn about the centre of the grid, whose last axis has ``spacing_mm`` and others 1 mm."""
    dims, angle = len(shape), math.radians(degrees)
    turn = torch.eye(dims, dtype=torch.float64)
    turn[-2:, -2:] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    spacing = torch.tensor([1.0] * (dims - 1) + [spacing_mm], dtype=torch.float64)
    turn = scale * turn * spacing / spacing[:, None]
    centre = (torch.tensor(shape, dtype=torch.float64) - 1) / 2
    return torch.cat([turn, (centre + shift - turn @ centre)[:, None]], dim=1)


def textured(points: Tensor, shape: tuple[int, ...], spacing_mm: float = 1.0) -> Tensor:
    """A textured ellipsoid as a function of place, so that no interpolation stands between two images of it."""
    spacing = torch.tensor([1.0] * (len(shape) - 1) + [spacing_mm], dtype=torch.float64).view(-1, *[1] * len(shape))
    middle = (torch.tensor(shape, dtype=torch.float64).view_as(spacing) - 1) / 2
    from_centre = (points - middle) * spacing
    radius = (from_centre / (0.6 * middle * spacing)).square().sum(dim=0).sqrt()
    generator = torch.Generator().manual_seed(0)
    waves = 0.35 * torch.randn(30, len(shape), generator=generator, dtype=torch.float64)
    texture = torch.sin(
        torch.einsum("wd,d...->w...", waves, from_centre) + torch.arange(30.0).view(-1, *[1] * len(shape))
    )
    return (torch.sigmoid(12 * (1 - radius)) * (3 + texture.mean(dim=0) * 5)).float()[None, None]


def pair(shape: tuple[int, ...], truth: Tensor, spacing_mm: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Fixed and moving with ``fixed(x) = moving(A x + b)``, and the foreground of fixed."""
    grid = identity_grid(shape, dtype=torch.float64)
    fixed = textured(grid + affine_displacement(truth, shape)[0], shape, spacing_mm)
    return fixed, textured(grid, shape, spacing_mm), fixed[0, 0] > 1.5


def endpoint_error(displacement: Tensor, truth: Tensor, mask: Tensor) -> float:
    """Mean distance in voxels of a displacement ``(1, d, *s)`` from the one of ``A|b``."""
    difference = displacement - affine_displacement(truth, mask.shape)
    return float(difference[0].norm(dim=0)[mask].mean())
