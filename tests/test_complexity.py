"""FLOPs of networks that are not ours, as someone's own method brings them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from fusemorph.complexity import count_cost
from fusemorph.data import open_dataset
from fusemorph.method import LearnedMethod
from fusemorph.networks.registration import Registration

WIDTH, HIDDEN = 8, 16


class Encoder(nn.Module):
    """torch's own transformer over patches of 4 voxels a side, and a linear layer that predicts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv3d(2, WIDTH, 4, stride=4)
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, HIDDEN, batch_first=True)
        self.unused = nn.Linear(WIDTH, 3)

    def forward(self, fixed: Tensor, moving: Tensor, *, generator: torch.Generator | None = None) -> Registration:
        self.layer(self.patches(torch.cat([fixed, moving], 1)).flatten(2).mT)
        return Registration(displacement=torch.zeros(1, 3, *fixed.shape[2:]))


@dataclass(frozen=True, kw_only=True)
class Foreign(LearnedMethod):
    name: ClassVar[str] = "foreign"
    source: ClassVar[str] = "none"

    def network(self, dims: int) -> nn.Module:
        return Encoder()

    def missing(self) -> str | None:
        return "it needs mamba-ssm; pip install mamba-ssm"


def test_attention_and_linear_layers_of_torch_are_counted() -> None:
    tokens = 4 * 4 * 4
    convolution = tokens * 2 * 4**3 * WIDTH
    attention = tokens * 4 * WIDTH**2 + 2 * tokens**2 * WIDTH
    linear = tokens * 2 * WIDTH * HIDDEN
    assert count_cost(Foreign(), (16, 16, 16))[1] == 2 * (convolution + attention + linear)


def test_a_network_may_lack_a_package_too() -> None:
    brains = open_dataset("virtual_brains", spacing_mm=8.0, train=2, val=2)
    assert Foreign().skip(brains) == "it needs mamba-ssm; pip install mamba-ssm"
