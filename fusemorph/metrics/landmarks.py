"""Target registration error: how far landmarks are apart after registration."""

from typing import Literal

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from fusemorph.grid import sample
from fusemorph.metrics.displacements import Array, single

Reading = Literal["linear", "cubic"]
"""How a displacement is read between voxels."""


def tre_mm(
    displacement: Array,
    fixed_points: Array,
    moving_points: Array,
    *,
    affine: np.ndarray,
    reading: Reading = "linear",
) -> np.ndarray:
    r"""Distance of each fixed landmark, moved by the displacement, from the same landmark of the moving image; (n,).

    $$ \mathrm{TRE}_i = \| A (p_i + u(p_i)) - A q_i \|_2 $$

    The displacement is (d, *s) or (1, d, *s), voxels, and is read linearly between voxels. The points are (n, d) in
    voxels of its grid, fractions allowed; a fixed point more than half a voxel outside the grid gives NaN. ``affine``
    maps voxels to millimetres, (d + 1, d + 1). A displacement of zeros gives the error before registration.
    ``reading`` ``cubic``: by splines of order 3, and 0 outside the grid, as Learn2Reg's evaluation reads it.

    Raises:
        ValueError: points that are not (n, d), not finite or not as many, or an affine of another size.

    Source: Fitzpatrick, West, Maurer 1998, IEEE TMI 17(5); ``cubic``: github.com/MDL-UzL/L2R.
    """
    field = single("tre_mm", displacement).double()
    dims = field.shape[1]
    fixed, moving = _points("fixed_points", fixed_points, dims), _points("moving_points", moving_points, dims)
    if fixed.shape != moving.shape:
        raise ValueError(f"tre_mm(): 'moving_points' must be {len(fixed)}, as 'fixed_points' are, got {len(moving)}")
    if np.shape(affine) != (dims + 1, dims + 1):
        raise ValueError(f"tre_mm(): 'affine' must be {dims + 1} x {dims + 1}, got shape {np.shape(affine)}")
    if reading == "cubic":
        read = torch.from_numpy(np.stack([map_coordinates(own, fixed.T.numpy()) for own in field[0].cpu().numpy()]))
    else:
        coordinates = fixed.T.view(1, dims, len(fixed), *[1] * (dims - 1))
        read = sample(field.cpu(), coordinates).view(dims, len(fixed))
    errors = (fixed + read.T - moving).numpy() @ np.asarray(affine, dtype=float)[:-1, :-1].T
    if reading == "cubic":
        return np.asarray(np.linalg.norm(errors, axis=1))
    ends = torch.tensor(field.shape[2:], dtype=torch.float64) - 0.5
    inside = ((fixed >= -0.5) & (fixed <= ends)).all(dim=1).numpy()
    return np.where(inside, np.linalg.norm(errors, axis=1), np.nan)


def _points(argument: str, points: Array, dims: int) -> Tensor:
    tensor = torch.as_tensor(points, dtype=torch.float64, device="cpu")
    if tensor.ndim != 2 or tensor.shape[1] != dims or not torch.isfinite(tensor).all():
        raise ValueError(f"tre_mm(): {argument!r} must be finite points (n, {dims}), got shape {tuple(tensor.shape)}")
    return tensor
