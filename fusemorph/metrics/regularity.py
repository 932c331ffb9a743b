"""How regular a displacement is: folding, non-diffeomorphic volume, spread of the volume change."""

from itertools import product

import torch
from torch import Tensor

from fusemorph.jacobian import jacobian_determinant
from fusemorph.metrics.displacements import Array, foreground, single

# Planes of cubes handled at a time: enough to be fast, little memory on the largest grids.
SLAB = 16


def folding_fraction(displacement: Array, *, mask: Array | None = None) -> float:
    r"""Share of voxels whose Jacobian determinant (central differences) is <= 0.

    $$ \frac{1}{|M|} \, |\{ x \in M : \det J_\phi(x) \le 0 \}| $$

    Over the voxels of ``mask`` (everything if None) that are not on the grid's border; NaN if there are none.
    ``displacement``: (d, *s) or (1, d, *s), voxels.
    """
    determinants = _interior_determinants("folding_fraction", displacement, mask)
    return _mean(determinants <= 0)


def sd_log_jacobian(displacement: Array, *, mask: Array | None = None) -> float:
    r"""Standard deviation of the log of the positive Jacobian determinants, over the voxels of `folding_fraction`.

    $$ \mathrm{SD}_{x \in M, \, \det J_\phi(x) > 0} \, \log \det J_\phi(x) $$
    """
    determinants = _interior_determinants("sd_log_jacobian", displacement, mask)
    return _deviation(determinants[determinants > 0].log())


def sdlogj_l2r(displacement: Array, *, mask: Array | None = None) -> float:
    """Learn2Reg's own smoothness: deviation of ``log(clip(det + 3, 1e-9, 1e9))``, a border of 2 voxels cropped.

    Not comparable with `sd_log_jacobian`. Over the voxels of ``mask``, as in the tasks that the challenge evaluates
    within masks; everything if None. NaN where no voxel is left, as of a side under 5 voxels.

    Source: Hering et al. 2022 and the challenge's evaluation, github.com/MDL-UzL/L2R.
    """
    field = single("sdlogj_l2r", displacement)
    inner = (slice(2, -2),) * (field.ndim - 2)
    determinants = jacobian_determinant(field)[0][inner]
    if mask is not None:
        determinants = determinants[foreground("sdlogj_l2r", mask, field)[inner]]
    return _deviation((determinants.double() + 3).clamp(1e-9, 1e9).log())


def ndv_fraction(displacement: Array, *, mask: Array | None = None) -> float:
    """Non-diffeomorphic volume as a share of the volume: what central differences overlook counts too.

    Each cube of 8 neighbouring voxels (square of 4 in 2-D) is cut into 5 tetrahedra (2 triangles) in both mirror ways;
    the volume of those turned inside out is halved and summed. Over the cubes with all voxels in ``mask`` (everything
    if None); NaN if there are none. ``displacement``: (d, *s) or (1, d, *s), voxels.

    Source: Liu et al. 2024 (IJCV, arXiv 2212.06060).
    """
    field = single("ndv_fraction", displacement)
    inside = foreground("ndv_fraction", mask, field)
    shape = field.shape[2:]
    volume, cubes = 0.0, 0
    for start in range(0, shape[0] - 1, SLAB):
        slab = slice(start, start + SLAB + 1)
        whole = _whole_cubes(inside[slab])
        volume += float(_inverted_volume(field[0, :, slab])[whole].sum(dtype=torch.float64))
        cubes += int(whole.sum())
    return volume / cubes if cubes else float("nan")


def _whole_cubes(mask: Tensor) -> Tensor:
    for axis, side in enumerate(mask.shape):
        mask = mask.narrow(axis, 0, side - 1) & mask.narrow(axis, 1, side - 1)
    return mask


def _inverted_volume(field: Tensor) -> Tensor:
    """Inverted volume of each cube, mean of the two ways to cut it."""
    axes = field.shape[0]
    edges = [_stretched(field.diff(dim=axis + 1), axis) for axis in range(axes)]
    total = torch.zeros([side - 1 for side in field.shape[1:]], dtype=field.dtype, device=field.device)
    for corner in product((0, 1), repeat=axes):
        # The corner simplex is spanned by the cube's edges that meet there, each taken in the sense of its axis.
        spanning = [_at(edge, corner, skip=axis) for axis, edge in enumerate(edges)]
        total -= _determinant(spanning).clamp_(max=0)
    if axes == 3:
        for corners in (((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)), ((1, 1, 1), (0, 1, 0), (1, 0, 0), (0, 0, 1))):
            total -= _determinant(_central(field, corners)).clamp_(max=0)
    return total * (0.5 / (6 if axes == 3 else 2))


def _central(field: Tensor, corners: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """The three edges, from its first corner, of the tetrahedron that no edge of the cube belongs to."""
    origin = _at(field, corners[0])
    spanning = []
    for corner in corners[1:]:
        edge = _at(field, corner) - origin
        for axis in range(3):
            edge[axis] += corner[axis] - corners[0][axis]
        spanning.append(edge)
    return spanning


def _stretched(difference: Tensor, axis: int) -> Tensor:
    """The deformed edge: the edge of the grid plus the difference of displacement along it."""
    difference[axis] += 1
    return difference


def _at(values: Tensor, corner: tuple[int, ...], *, skip: int | None = None) -> Tensor:
    """Values at one corner of each cube; along ``skip`` they are on edges already, one for each cube."""
    for axis, offset in enumerate(corner):
        if axis != skip:
            values = values.narrow(axis + 1, offset, values.shape[axis + 1] - 1)
    return values


def _determinant(vectors: list[Tensor]) -> Tensor:
    if len(vectors) == 2:
        (a, b), (c, d) = (vector.unbind() for vector in vectors)
        return a * d - b * c
    (a, b, c), (d, e, f), (g, h, i) = (vector.unbind() for vector in vectors)
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _interior_determinants(function: str, displacement: Array, mask: Array | None) -> Tensor:
    field = single(function, displacement)
    interior = (slice(1, -1),) * (field.ndim - 2)
    inside = foreground(function, mask, field)[interior]
    return jacobian_determinant(field)[0][interior][inside]


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if values.numel() else float("nan")


def _deviation(values: Tensor) -> float:
    return float(values.double().std(correction=0)) if values.numel() else float("nan")
