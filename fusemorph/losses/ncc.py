"""Local normalised cross-correlation, the similarity that AutoFuse is trained with."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from fusemorph.precision import full_precision

# Added to every local variance, as a share of the image's own: large beside float32 rounding, small beside texture.
VARIANCE_FLOOR = 1e-5


@full_precision
def ncc(
    fixed: Float[Tensor, "b c *s"],
    warped: Float[Tensor, "b c *s"],
    *,
    window: int = 9,
    textured: bool = False,
    mask: Float[Tensor, "b 1 *s"] | None = None,
) -> Float[Tensor, ""]:
    r"""1 - mean squared local correlation in cubes of ``window`` voxels a side, 0 for images linear in each other.

    $$ 1 - \frac{1}{|\Omega|} \sum_{p \in \Omega} \frac{\left( \sum_{q} (f(q) - \bar f(p)) (w(q) - \bar w(p))
    \right)^2}{\sum_{q} (f(q) - \bar f(p))^2 \, \sum_{q} (w(q) - \bar w(p))^2} $$

    At the border the statistics are of the voxels truly in the window. A flat window counts as uncorrelated, with
    finite gradients, or with ``textured`` not at all where fixed is flat. Mean and scale of either image do not matter.
    ``mask``, 1 inside and 0 outside: only windows around voxels inside count, and in them only the voxels inside.

    Raises:
        ValueError: ``window`` is even or under 3, or the shapes differ.

    Source: Avants et al. 2008; Balakrishnan et al. 2019.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"ncc(): 'window' must be an odd number of 3 or more voxels, got {window}")
    if fixed.shape != warped.shape:
        raise ValueError(
            f"ncc(): 'warped' must have the shape {tuple(fixed.shape)} of 'fixed', got {tuple(warped.shape)}"
        )
    dtype = torch.promote_types(fixed.dtype, warped.dtype)
    inside = None if mask is None else mask.to(dtype).expand_as(fixed).flatten(0, 1)
    pair = (_standardise(image.to(dtype), inside) for image in (fixed, warped))
    loss: Tensor = _LocalCorrelation.apply(*pair, window, textured, inside)  # type: ignore[no-untyped-call]
    return loss


def _standardise(image: Tensor, inside: Tensor | None) -> Tensor:
    """Images (b * c, *s) of mean 0 and deviation 1, taken as constants: local correlation does not depend on them.

    0 outside a mask, whose values outside play no part.
    """
    flat = image.flatten(0, 1) if inside is None else image.flatten(0, 1) * inside
    axes = tuple(range(1, flat.ndim))
    deviation, mean = torch.std_mean(flat.detach(), dim=axes, correction=0, keepdim=True)
    standard = (flat - mean) / deviation.clamp(min=1e-6)
    return standard if inside is None else standard * inside


class _LocalCorrelation(torch.autograd.Function):
    """With the analytic gradient: a third of the passes over memory that autograd would make.

    With M the mean over the window, c = M(fw) - M(f)M(w) and v = M(ww) - M(w)^2 + floor, the squared correlation is
    r = c^2 / (v_f v_w), and its sum has the gradient  f M'(a) + 2 w M'(b) - M'(a M(f) + 2 b M(w))  with respect to w,
    where a = dr/dc = 2 c / (v_f v_w), b = dr/dv_w = -r / v_w and M' is the transpose of M. In windows that do not count
    c, and with it a and b, is 0. With a mask, outside of which both images are 0, M is divided by the share of the
    window that lies inside.
    """

    @staticmethod
    def forward(ctx: Any, fixed: Tensor, warped: Tensor, window: int, textured: bool, inside: Tensor | None) -> Tensor:
        matrices = [_mean_matrix(side, window, fixed) for side in fixed.shape[1:]]
        moments = torch.stack([fixed, warped, fixed.square(), warped.square(), fixed * warped])
        moments = _along_axes(moments, matrices)
        ctx.share = None if inside is None else _share(inside, window)
        mean_f, mean_w, var_f, var_w, cross = (moments if inside is None else moments.div_(ctx.share)).unbind()
        cross = cross.addcmul_(mean_f, mean_w, value=-1)
        var_f = var_f.addcmul_(mean_f, mean_f, value=-1).clamp_(min=0).add_(VARIANCE_FLOOR)
        ctx.count = fixed.new_full((), fixed.numel())
        if textured:
            counted = var_f > 2 * VARIANCE_FLOOR
            counted = counted if inside is None else counted & (inside > 0)
            cross, ctx.count = cross * counted, counted.sum().clamp(min=1)
        elif inside is not None:
            cross, ctx.count = cross * inside, inside.sum(dtype=torch.float64).clamp(min=1).to(fixed.dtype)
        var_w = var_w.addcmul_(mean_w, mean_w, value=-1).clamp_(min=0).add_(VARIANCE_FLOOR)
        ctx.save_for_backward(fixed, warped, mean_f, mean_w, var_f, var_w, cross, *matrices)
        correlation: Tensor = (cross.square() / (var_f * var_w)).sum() / ctx.count
        return 1 - correlation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        fixed, warped, mean_f, mean_w, var_f, var_w, cross, *matrices = ctx.saved_tensors
        transposed = [matrix.T for matrix in matrices]
        scale = -gradient / ctx.count
        of_fixed = of_warped = None
        if ctx.needs_input_grad[0]:
            of_fixed = _gradient(warped, fixed, mean_w, mean_f, var_w, var_f, cross, transposed, ctx.share).mul_(scale)
        if ctx.needs_input_grad[1]:
            of_warped = _gradient(fixed, warped, mean_f, mean_w, var_f, var_w, cross, transposed, ctx.share).mul_(scale)
        return of_fixed, of_warped, None, None, None


def _gradient(
    fixed: Tensor,
    warped: Tensor,
    mean_f: Tensor,
    mean_w: Tensor,
    var_f: Tensor,
    var_w: Tensor,
    cross: Tensor,
    transposed: list[Tensor],
    share: Tensor | None,
) -> Tensor:
    parts = fixed.new_empty((3, *fixed.shape))
    half_a, minus_b, rest = parts.unbind()
    torch.div(cross, var_w, out=minus_b).div_(var_f)
    half_a.copy_(minus_b)
    minus_b.mul_(cross).div_(var_w)
    torch.mul(half_a, mean_f, out=rest).addcmul_(minus_b, mean_w, value=-1)
    if share is not None:
        parts.div_(share)
    half_a, minus_b, rest = _along_axes(parts, transposed).unbind()
    return half_a.mul_(fixed).addcmul_(minus_b, warped, value=-1).sub_(rest).mul_(2)


def _share(inside: Tensor, window: int) -> Tensor:
    """The share of each window that lies inside, 1 where none does; exactly 1 where all of it does."""
    matrices = [(_mean_matrix(side, window, inside) > 0).to(inside.dtype) for side in inside.shape[1:]]
    counts = _along_axes(inside, matrices)
    return torch.where(counts > 0, counts / _along_axes(torch.ones_like(inside), matrices), 1)


def _mean_matrix(side: int, window: int, like: Tensor) -> Tensor:
    """The mean over a window along one axis, as a matrix: each row divided by the voxels truly in its window."""
    index = torch.arange(side, device=like.device)
    inside = ((index[:, None] - index).abs() <= window // 2).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def _along_axes(images: Tensor, matrices: list[Tensor]) -> Tensor:
    """Apply one matrix along each of the last axes: on a CPU several times faster than pooling, and as precise."""
    shape = images.shape
    images = images @ matrices[-1].T
    for axis, matrix in enumerate(matrices[:-1], start=images.ndim - len(matrices)):
        images = matrix @ images.reshape(-1, shape[axis], shape[axis + 1 :].numel())
    return images.reshape(shape)
