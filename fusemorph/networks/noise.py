"""Random numbers inside networks, drawn on the device that they are for."""

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform(shape: Sequence[int], *, generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform numbers within [0, 1); ``torch.default_generator`` stands for the generator of the device itself.

    Compiled code takes no other: one that is given to it would end its graph.
    """
    return torch.rand(tuple(shape), generator=_given(generator), device=device)


def normal(shape: Sequence[int], *, generator: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal numbers, from a generator as in ``uniform``."""
    return torch.randn(tuple(shape), generator=_given(generator), device=device)


def _given(generator: torch.Generator) -> torch.Generator | None:
    return None if generator is torch.default_generator else generator
