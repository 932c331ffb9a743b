"""Entries that lie outside the checkout, as somebody else would write them."""

from pathlib import Path

DATASET = '''"""Brains of another name. Source: made up for a test."""

from fusemorph.data.datasets.virtual_brains import VirtualBrains


class Brains(VirtualBrains):
    name = "elsewhere_brains"
'''
METHOD = '''"""Moves everything by half a voxel. Source: made up for a test."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from fusemorph.method import Method

from ._amount import AMOUNT


@dataclass(frozen=True, kw_only=True)
class Nudge(Method):
    name: ClassVar[str] = "nudge"
    source: ClassVar[str] = "a test"

    def register(self, pair, *, network, device):
        return torch.full((1, pair.fixed.image.ndim, *pair.fixed.image.shape), AMOUNT, device=device)
'''
OPERATOR = '''"""The larger of the two single-image features. Source: made up for a test."""

import torch
from torch import nn

from fusemorph.networks.blocks import ConvUnit

SYMBOL = "z"
READS = ("fixed", "moving")


class Larger(nn.Module):
    def __init__(self, *, dims, channels, gate):
        super().__init__()
        self.unit = ConvUnit(dims, channels // 2, channels)

    def forward(self, features, *, generator):
        return self.unit(torch.maximum(features.fixed, features.moving)), None
'''
STUDY = '''"""What does half a voxel do, and the larger feature?"""

from baselines.identity import Identity
from experiments.study import Arm, Study
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.method import load_method


def arms(shape, budget):
    larger = Fusion(plan="zzzzzzz", channels=published_channels(budget.width))
    return [
        Arm(label="identity", group="floor", method=Identity()),
        Arm(label="nudge", group="elsewhere", method=load_method({"name": "nudge"})),
        Arm(label="larger", group="elsewhere", method=larger),
    ]


STUDY = Study(
    question="What does half a voxel do?", protocol=("Made up.",), reference="identity", arms=arms,
    dataset="elsewhere_brains", budget="smoke", measure_cost=False,
)
'''
FILES = {
    "datasets/elsewhere_brains.py": DATASET,
    "methods/nudge.py": METHOD,
    "methods/_amount.py": "AMOUNT = 0.5\n",
    "operators/larger.py": OPERATOR,
    "studies/elsewhere.py": STUDY,
}


def write_entries(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write the files of entries below a folder, by default one of each kind."""
    for name, text in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
