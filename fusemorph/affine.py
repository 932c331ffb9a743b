"""Affine registration of two images: global correlation, coarse to fine, by Gauss-Newton steps on the group of maps.

Source: Evangelidis and Psarakis 2008 (IEEE PAMI 30:1858) for Gauss-Newton on the correlation coefficient; Marquardt
1963 for its damping; Vercauteren et al. 2009 (NeuroImage 45:S61) for steps composed by the matrix exponential.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fusemorph.grid import identity_grid, sample
from fusemorph.precision import full_precision

Model = Literal["translation", "rigid", "affine"]
Start = Literal["masses", "grid"]

LEAST_SIDE = 16
"""Axes with fewer voxels are not halved."""
LEAST_OVERLAP = 0.1
"""Share of the smaller grid that must lie inside the other: less is chance."""
LEAST_GAIN = 1e-5
"""Of correlation in one step; a smaller one ends a level."""


@full_precision
@torch.no_grad()
def register_affine(
    fixed: Float[Tensor, "1 1 *s"],
    moving: Float[Tensor, "1 1 *t"],
    *,
    spacing_mm: Sequence[float],
    model: Model = "affine",
    starts: Sequence[Start] = ("masses", "grid"),
    iterations: int = 30,
) -> Float[Tensor, "d e"]:
    """The matrix ``A|b`` (float64) that maps voxel ``x`` of fixed to voxel ``A x + b`` of moving, for the largest NCC.

    ``spacing_mm`` is that of both grids, whose shapes may differ. Of the ``starts`` (``masses``: centres of the voxels
    above the mean on each other; ``grid``: centres of the grids) the one with the larger correlation goes on, first as
    a translation, then with rotations, then with all of ``model``; at most ``iterations`` steps a resolution. Only
    points inside both grids count, less their empty margins.

    Raises:
        ValueError: an image is constant or not finite; an unknown ``model`` or start; or the moving image shows nothing
            of the fixed one within its field of view: they overlap by less than a tenth of the smaller grid, are
            constant where they do, or have no positive correlation.
    """
    _check_arguments(fixed, moving, spacing_mm=spacing_mm, model=model, starts=starts)
    (seen_fixed, fixed_start), (seen_moving, moving_start) = _field_of_view(fixed), _field_of_view(moving)
    # From fine to coarse; a grid with longer sides has more levels.
    levels = list(zip(_pyramid(seen_fixed, spacing_mm), _pyramid(seen_moving, spacing_mm), strict=False))
    models = get_args(Model)[: get_args(Model).index(model) + 1]
    transform = _best_start(*levels[-1], starts)
    for level, stage in [*((levels[-1], early) for early in models[:-1]), *((level, model) for level in levels[::-1])]:
        transform = _ascend(level, transform, generators=_generators(stage, fixed.ndim - 2), steps=iterations)
    _check_agreement(_fit(*levels[0], transform), starts)
    matrix = _in_voxels(*levels[0], transform)
    matrix[:, -1] += moving_start - matrix[:, :-1] @ fixed_start
    return matrix


def affine_displacement(matrix: Float[Tensor, "d e"], shape: Sequence[int]) -> Float[Tensor, "1 d *s"]:
    """Displacement in voxels, float32, on a grid of ``shape`` by ``A|b``: ``u(x) = A x + b - x``.

    Raises:
        ValueError: ``matrix`` is not d x (d + 1) for a ``shape`` of d sides.
    """
    dims = len(shape)
    if matrix.shape != (dims, dims + 1):
        raise ValueError(
            f"affine_displacement(): 'matrix' must be {dims} x {dims + 1} for a {dims}-D grid, "
            f"got shape {tuple(matrix.shape)}"
        )
    grid = identity_grid(shape, device=matrix.device, dtype=torch.float64)
    linear = matrix[:, :dims].double() - torch.eye(dims, dtype=torch.float64, device=matrix.device)
    shift = matrix[:, dims].double().view(-1, *[1] * dims)
    return (torch.einsum("ij,j...->i...", linear, grid) + shift)[None].float()


def _check_arguments(
    fixed: Tensor, moving: Tensor, *, spacing_mm: Sequence[float], model: str, starts: Sequence[str]
) -> None:
    dims = fixed.ndim - 2
    if moving.ndim != fixed.ndim:
        raise ValueError(f"register_affine(): 'moving' must be {dims}-D as 'fixed', got shape {tuple(moving.shape)}")
    if len(spacing_mm) != dims or not min(spacing_mm) > 0:
        raise ValueError(
            f"register_affine(): 'spacing_mm' must be {dims} positive numbers for a {dims}-D image, "
            f"got {tuple(spacing_mm)}"
        )
    if model not in get_args(Model):
        raise ValueError(f"register_affine(): 'model' must be one of {', '.join(get_args(Model))}, got {model!r}")
    if not starts or not set(starts) <= set(get_args(Start)):
        raise ValueError(f"register_affine(): 'starts' must be among {get_args(Start)}, got {tuple(starts)}")
    for name, image in (("fixed", fixed), ("moving", moving)):
        if not image.isfinite().all():
            raise ValueError(f"register_affine(): '{name}' must be finite, got NaN or infinity")
        if image.min() == image.max():
            raise ValueError(f"register_affine(): '{name}' must not be constant, got {float(image.max()):g} everywhere")


def _field_of_view(image: Tensor) -> tuple[Tensor, Tensor]:
    """The image without margins of its lowest value, and at which voxel it begins.

    A crop that was padded to a larger grid shows nothing there, and the edges of two crops need not fall together.
    """
    seen = (image > image.min()).nonzero()[:, 2:]
    first, last = seen.amin(dim=0), seen.amax(dim=0)
    # A plane alone has no slope across it.
    last = torch.maximum(last, first + 1).minimum(seen.new_tensor(image.shape[2:]) - 1)
    first = torch.minimum(first, last - 1)
    window = tuple(slice(int(low), int(high) + 1) for low, high in zip(first, last, strict=True))
    return image[(slice(None), slice(None), *window)], first.double()


@dataclass(frozen=True, kw_only=True)
class _Level:
    """An image at one resolution; voxel ``x`` lies at ``spacing_mm * (x - centre)``, the same place at all of them.

    ``maps`` are the image and its slope per mm along each axis.
    """

    maps: Float[Tensor, "1 e *s"]
    spacing_mm: Float[Tensor, " d"]
    centre: Float[Tensor, " d"]

    @property
    def image(self) -> Float[Tensor, "1 1 *s"]:
        """The image alone."""
        return self.maps[:, :1]

    def points_mm(self) -> Float[Tensor, "d n"]:
        """Places of all voxels, from the centre of the grid at the finest level."""
        grid = identity_grid(self.image.shape[2:], device=self.image.device, dtype=self.image.dtype).flatten(1)
        return self.spacing_mm[:, None] * (grid - self.centre[:, None])

    def read(self, points_mm: Float[Tensor, "d n"]) -> tuple[Tensor, Tensor, Tensor]:
        """Value (n), gradient per mm (d, n) and whether they lie inside (n), at any places."""
        dims = len(points_mm)
        voxels = points_mm / self.spacing_mm[:, None] + self.centre[:, None]
        last = voxels.new_tensor(self.image.shape[2:])[:, None] - 1
        inside = ((voxels >= 0) & (voxels <= last)).all(dim=0)
        values = sample(self.maps, voxels.view(1, dims, -1, *[1] * (dims - 1))).view(dims + 1, -1)
        return values[0], values[1:], inside


def _pyramid(image: Tensor, spacing_mm: Sequence[float]) -> list[_Level]:
    """The image, then every second voxel again and again, along axes that are long and not coarser than others."""
    spacing, centre = (image.new_tensor(values) for values in (spacing_mm, [(s - 1) / 2 for s in image.shape[2:]]))
    levels = [_level(image, spacing, centre)]
    while True:
        last = levels[-1]
        # A slice that is thick already would be averaged with what lies far from it.
        halved = [
            side >= LEAST_SIDE and float(spacing) < 1.5 * float(last.spacing_mm.min())
            for side, spacing in zip(last.image.shape[2:], last.spacing_mm, strict=True)
        ]
        if not any(halved):
            return levels
        factor = image.new_tensor([2.0 if half else 1.0 for half in halved])
        levels.append(_level(_halve(last.image, halved), last.spacing_mm * factor, last.centre / factor))


def _level(image: Tensor, spacing_mm: Tensor, centre: Tensor) -> _Level:
    slopes = torch.gradient(image[0, 0], spacing=spacing_mm.tolist())
    return _Level(maps=torch.stack([image[0, 0], *slopes])[None], spacing_mm=spacing_mm, centre=centre)


def _halve(image: Tensor, halved: Sequence[bool]) -> Tensor:
    """Every second voxel, of the mean over 3, along some axes: voxel ``j`` of the result is voxel ``2 j`` here."""
    pool = F.avg_pool3d if image.ndim == 5 else F.avg_pool2d
    width, stride, padding = (tuple(on if half else off for half in halved) for on, off in ((3, 1), (2, 1), (1, 0)))
    return pool(image, width, stride, padding, count_include_pad=False)


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Correlation at a transform, and slope and curvature (Gauss-Newton) along every entry of ``d x (d + 1)``."""

    correlation: float
    slope: Float[Tensor, " k"]
    curvature: Float[Tensor, "k k"]


def _fit(fixed: _Level, moving: _Level, transform: Tensor) -> _Fit | None:
    """How well two levels agree; None where they do not overlap.

    With f and w of mean 0 and norm 1 over the overlap, |f - w|^2 = 2 - 2 corr, the least squares that are solved.
    """
    dims = len(transform) - 1
    matrix = transform.to(fixed.image.dtype)
    places = matrix[:dims, :dims] @ fixed.points_mm() + matrix[:dims, dims:]
    values, gradient, inside = moving.read(places)
    if inside.sum() < LEAST_OVERLAP * min(fixed.image.numel(), moving.image.numel()):
        return None
    reference, values = fixed.image.flatten()[inside], values[inside]
    reference, values = reference - reference.mean(), values - values.mean()
    norm = float(values.norm())
    if min(norm, float(reference.norm())) <= 1e-6 * math.sqrt(len(values)):
        return None
    reference, values = reference / reference.norm(), values / norm
    homogeneous = torch.cat([places, torch.ones_like(places[:1])])[:, inside]
    change = (gradient[:, inside][:, None] * homogeneous).flatten(0, 1)
    change -= change.mean(dim=1, keepdim=True)
    along = change @ values
    correlation = float(reference @ values)
    return _Fit(
        correlation=correlation,
        slope=(change @ reference - correlation * along).double() / norm,
        curvature=(change @ change.T - along[:, None] * along).double() / norm**2,
    )


def _best_start(fixed: _Level, moving: _Level, starts: Sequence[str]) -> Tensor:
    transforms = [torch.eye(fixed.image.ndim - 1, dtype=torch.float64, device=fixed.image.device) for _ in starts]
    for start, transform in zip(starts, transforms, strict=True):
        if start == "masses":
            transform[:-1, -1] = _mass_mm(moving) - _mass_mm(fixed)
    fits = [_fit(fixed, moving, transform) for transform in transforms]
    scores = [-math.inf if fit is None else fit.correlation for fit in fits]
    return transforms[scores.index(max(scores))]


def _check_agreement(fit: _Fit | None, starts: Sequence[str]) -> None:
    if fit is None or fit.correlation <= 0:
        best = "no overlap" if fit is None else f"correlation {fit.correlation:.2g}"
        raise ValueError(
            "register_affine(): 'moving' must show what 'fixed' shows, got nothing of it in the fixed image's field of "
            f"view from the starts {tuple(starts)} ({best})"
        )


def _mass_mm(level: _Level) -> Tensor:
    """Centre of the voxels above the mean: bright outliers count no more than others."""
    bright = (level.image > level.image.mean()).flatten()
    return level.points_mm()[:, bright].double().mean(dim=1)


def _generators(model: str, dims: int) -> Float[Tensor, "k d e"]:
    """Directions in which a model may move, as rows ``A|b`` of a derivative: shifts, rotations, or all."""
    every = torch.eye(dims * (dims + 1), dtype=torch.float64).view(-1, dims, dims + 1)
    by_entry = every.view(dims, dims + 1, dims, dims + 1)
    shifts = [by_entry[axis, dims] for axis in range(dims)]
    turns = [by_entry[i, j] - by_entry[j, i] for i, j in combinations(range(dims), 2)]
    return {"translation": torch.stack(shifts), "rigid": torch.stack([*shifts, *turns]), "affine": every}[model]


def _ascend(level: tuple[_Level, _Level], transform: Tensor, *, generators: Tensor, steps: int) -> Tensor:
    """Damped Gauss-Newton steps ``exp(sum of generators) T`` for as long as the correlation grows."""
    fit = _fit(*level, transform)
    basis, damping = generators.flatten(1).to(transform.device), 1e-3
    for _ in range(steps):
        if fit is None:
            break
        curvature, slope = basis @ fit.curvature @ basis.T, basis @ fit.slope
        damped = curvature + damping * torch.diag(curvature.diagonal().clamp(min=1e-12))
        move = torch.zeros_like(transform)
        move[:-1] = (torch.linalg.solve(damped, slope) @ basis).view_as(move[:-1])
        moved = torch.linalg.matrix_exp(move) @ transform
        tried = _fit(*level, moved)
        if tried is None or tried.correlation <= fit.correlation:
            damping *= 10
            if damping > 1e2:
                break
            continue
        gain, transform, fit, damping = tried.correlation - fit.correlation, moved, tried, max(damping / 10, 1e-6)
        if gain < LEAST_GAIN:
            break
    return transform


def _in_voxels(fixed: _Level, moving: _Level, transform: Tensor) -> Tensor:
    """``A|b`` in voxels of the two grids, of a map in mm from their centres."""
    spacing = fixed.spacing_mm.double()
    linear = transform[:-1, :-1] * spacing / spacing[:, None]
    shift = transform[:-1, -1] / spacing + moving.centre.double() - linear @ fixed.centre.double()
    return torch.cat([linear, shift[:, None]], dim=1)
