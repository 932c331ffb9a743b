"""What the regularisers take: a field with one component per axis, and the spacing of its grid."""

from collections.abc import Sequence

from torch import Tensor

from fusemorph.grid import per_axis


def spacing_of(function: str, field: Tensor, spacing: Sequence[float] | None, *, shortest: int) -> Tensor:
    """The spacing of each axis (1 where it is None), or a ValueError in the name of ``function``."""
    axes = field.ndim - 2
    if field.shape[1] != axes or min(field.shape[2:]) < shortest:
        raise ValueError(
            f"{function}(): 'field' must have {axes} channels for {axes} spatial axes and sides of {shortest} voxels "
            f"or more, got shape {tuple(field.shape)}"
        )
    if spacing is not None and (len(spacing) != axes or min(spacing) <= 0):
        raise ValueError(f"{function}(): 'spacing' must be {axes} positive numbers, got {tuple(spacing)}")
    return per_axis([1.0] * axes if spacing is None else spacing, field)
