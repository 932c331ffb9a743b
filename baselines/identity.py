"""No registration at all: the floor of every comparison."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.data.dataset import Pair
from fusemorph.method import Method


@dataclass(frozen=True, kw_only=True)
class Identity(Method):
    """Leave the moving image where it is."""

    name: ClassVar[str] = "identity"
    source: ClassVar[str] = "none"

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        shape = pair.fixed.image.shape
        return torch.zeros(1, len(shape), *shape, device=device)
