"""How a displacement changes volume: the Jacobian determinant of its deformation."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from fusemorph.precision import full_precision


@full_precision
def jacobian_determinant(displacement: Float[Tensor, "b d *s"]) -> Float[Tensor, "b *s"]:
    """Determinant of the Jacobian of ``x + u(x)``: 1 keeps volume, <= 0 folds.

    Central differences, one-sided at the border. ``displacement[:, i]`` is in voxels along spatial axis ``i``; the
    spacing of the voxels cancels out.

    Raises:
        ValueError: not 2-D or 3-D, not one channel per spatial axis, or a side under 2 voxels.
    """
    shape = displacement.shape[2:]
    if len(shape) not in (2, 3) or displacement.shape[1] != len(shape) or min(shape) < 2:
        raise ValueError(
            "jacobian_determinant(): 'displacement' must be (b, 2, i, j) or (b, 3, i, j, k) with sides of 2 voxels or "
            f"more, got shape {tuple(displacement.shape)}"
        )
    determinant: Tensor = _Determinant.apply(displacement)  # type: ignore[no-untyped-call]
    return determinant


class _Determinant(torch.autograd.Function):
    """Keeps the displacement only; autograd would keep every derivative and product, ten volumes and more."""

    @staticmethod
    def forward(ctx: Any, displacement: Tensor) -> Tensor:
        ctx.save_for_backward(displacement)
        m = _jacobian(displacement)
        determinant = m[0][0] * _cofactor(m, 0, 0)
        for column in range(1, len(m)):
            determinant.addcmul_(m[0][column], _cofactor(m, 0, column))
        return determinant

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (displacement,) = ctx.saved_tensors
        result = torch.zeros_like(displacement)
        # As of the folding penalty where nothing folds. A device would have to be waited for, and a stand-in for a
        # tensor, as memory is foretold with, has no values.
        on_cpu = gradient.device.type == "cpu" and type(gradient) is Tensor
        if on_cpu and not torch.compiler.is_compiling() and not gradient.any():
            return result
        m = _jacobian(displacement)
        for axis in range(len(m)):
            of_slopes = torch.stack([_cofactor(m, component, axis) for component in range(len(m))], dim=1)
            _add_transposed_slope(result, of_slopes.mul_(gradient[:, None]), axis + 2)
        return result


def _jacobian(displacement: Tensor) -> list[list[Tensor]]:
    """``m[i][j]``: derivative of component i of the deformation along axis j, each (b, *s)."""
    axes = displacement.shape[1]
    slopes = [_slope(displacement, axis + 2) for axis in range(axes)]
    for axis in range(axes):
        slopes[axis][:, axis] += 1
    return [[slopes[j][:, i] for j in range(axes)] for i in range(axes)]


def _cofactor(m: list[list[Tensor]], row: int, column: int) -> Tensor:
    if len(m) == 2:
        return m[1 - row][1 - column] * (1 if row == column else -1)
    # Taken in cyclic order, the signs are right by themselves.
    i, k, p, q = (row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3
    return (m[i][p] * m[k][q]).addcmul_(m[i][q], m[k][p], value=-1)


def _slope(values: Tensor, dim: int) -> Tensor:
    side = values.shape[dim]
    slope = torch.empty_like(values)
    inner = slope.narrow(dim, 1, side - 2)
    _subtract(values.narrow(dim, 2, side - 2), values.narrow(dim, 0, side - 2), into=inner)
    inner.mul_(0.5)
    for at, low in ((0, 0), (side - 1, side - 2)):
        _subtract(values.narrow(dim, low + 1, 1), values.narrow(dim, low, 1), into=slope.narrow(dim, at, 1))
    return slope


def _subtract(first: Tensor, second: Tensor, *, into: Tensor) -> None:
    """The difference written into a part of another tensor; torch does not compile ``out=`` of such parts."""
    if torch.compiler.is_compiling():
        into.copy_(first - second)
    else:
        torch.sub(first, second, out=into)


def _add_transposed_slope(result: Tensor, of_slope: Tensor, dim: int) -> None:
    """The gradient of `_slope`: each slope gives its own to the two values that it is the difference of."""
    side = result.shape[dim]
    inner = of_slope.narrow(dim, 1, side - 2)
    result.narrow(dim, 2, side - 2).add_(inner, alpha=0.5)
    result.narrow(dim, 0, side - 2).sub_(inner, alpha=0.5)
    for at, low in ((0, 0), (side - 1, side - 2)):
        edge = of_slope.narrow(dim, at, 1)
        result.narrow(dim, low + 1, 1).add_(edge)
        result.narrow(dim, low, 1).sub_(edge)
