"""What networks compute in, and full precision for geometry and losses, whatever autocast says around them."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, ParamSpec, cast

import torch
from torch import Tensor

P = ParamSpec("P")
Precision = Literal["bfloat16", "float32"]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 convolutions natively; a CPU that emulates them takes forty times as long.

    Measured with AVX2 alone, torch 2.13, against float32.
    """
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def computed_in(precision: Precision, device: torch.device) -> Precision:
    """The effective precision on a device: float32 where bfloat16 would only be emulated."""
    return precision if has_bfloat16(device) else "float32"


def convolution_path(precision: Precision, device: torch.device) -> str:
    """How convolutions in ``precision`` are computed on a device, for the record of a trial."""
    if device.type != "cpu":
        return device.type
    small = ", small float32 images in halves" if precision == "float32" else ""
    return f"oneDNN {precision}{small}"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network computes in ``precision``, as far as the device can; meta tensors have none."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=computed_in(precision, device) == "bfloat16")


def full_precision(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Run ``function`` outside autocast, its half-precision tensors made float32 (float64 stays).

    Voxel coordinates above 256 and local variances have no room in the 8 bits of a bfloat16.
    """

    @functools.wraps(function)
    def promoted(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        device = tensors[0].device.type if tensors else "cpu"
        has_autocast = device != "meta"  # where costs are counted
        with torch.autocast(device, enabled=False) if has_autocast else nullcontext():
            call = cast(Callable[..., Tensor], function)
            return call(*map(_promote, args), **{name: _promote(value) for name, value in kwargs.items()})

    return promoted


def _promote(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value
