"""No registration at all: the lower bound of every comparison."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.data.dataset import Pair
from fusemorph.method import Method, PublishedScore


@dataclass(frozen=True, kw_only=True)
class Identity(Method):
    """Leave the moving image where it is."""

    name: ClassVar[str] = "identity"
    source: ClassVar[str] = "none"
    published: ClassVar[tuple[PublishedScore, ...]] = (
        PublishedScore("mindboggle", "dice", 0.347, "Meng et al., CVPR 2024"),
        PublishedScore("buckner", "dice", 0.406, "Meng et al., CVPR 2024"),
        PublishedScore("oasis", "dice", 0.572, "Learn2Reg 2021, validation"),
        PublishedScore("acdc", "dice", 0.581, "EOIR, Table IV, unsupervised"),
        PublishedScore("hippocampus", "dice", 0.550, "Learn2Reg 2020, validation (Estienne et al.)"),
    )

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        shape = pair.fixed.image.shape
        return torch.zeros(1, len(shape), *shape, device=device)
