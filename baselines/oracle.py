"""The true displacement of synthetic data: the upper bound, given the resolution of the images and labels."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.data.dataset import Dataset, Pair
from fusemorph.method import Method


@dataclass(frozen=True, kw_only=True)
class Oracle(Method):
    """Return the displacement that made the pair."""

    name: ClassVar[str] = "oracle"
    source: ClassVar[str] = "none"

    def skip(self, dataset: Dataset) -> str | None:
        return None if dataset.synthetic else f"{dataset.name} has no known true displacement"

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        if pair.displacement is None:
            raise ValueError(f"Oracle.register(): the true displacement of pair {pair.name} is not known")
        return torch.tensor(pair.displacement, dtype=torch.float32, device=device)[None]
