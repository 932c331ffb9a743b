"""What the metrics of a displacement take: one displacement, with or without its batch axis, and a mask."""

import numpy as np
import torch
from torch import Tensor

Array = Tensor | np.ndarray


def single(function: str, displacement: Array) -> Tensor:
    """The displacement as (1, d, *s), or a ValueError in the name of ``function``."""
    tensor = torch.as_tensor(displacement).detach()
    if tensor.ndim in (3, 4) and tensor.shape[0] == tensor.ndim - 1:
        tensor = tensor[None]
    if tensor.ndim not in (4, 5) or tensor.shape[0] != 1 or tensor.shape[1] != tensor.ndim - 2:
        raise ValueError(
            f"{function}(): 'displacement' must be one of (d, *s) or (1, d, *s) with a channel per spatial axis, "
            f"2-D or 3-D, got shape {tuple(tensor.shape)}"
        )
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def foreground(function: str, mask: Array | None, displacement: Tensor) -> Tensor:
    """The mask as booleans (*s), everything where it is None, or a ValueError in the name of ``function``."""
    shape = displacement.shape[2:]
    if mask is None:
        return torch.ones(shape, dtype=torch.bool, device=displacement.device)
    if tuple(mask.shape) != tuple(shape):
        raise ValueError(
            f"{function}(): 'mask' must have the spatial shape {tuple(shape)} of 'displacement', "
            f"got {tuple(mask.shape)}"
        )
    return torch.as_tensor(mask, device=displacement.device) != 0
