"""A run folder as training leaves it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from fusemorph.configuration import Trial
from fusemorph.method import Method, load_method
from fusemorph.records import TrialFolder


def trained(
    runs: Path,
    *,
    dims: int = 3,
    spacing_mm: float = 2.0,
    strength: float = 0.1,
    method: Mapping[str, Any] | None = None,
    **dataset: Any,
) -> Path:
    """Of a small network whose head is drawn anew, so that it moves things; not with a ``strength`` of 0.

    ``method``: further settings of it.
    """
    settings = {"name": "fusion", "plan": "jjjjjjj", "channels": [2, 2, 4, 4, 4], **(method or {})}
    return _trained(runs, load_method(settings), dims=dims, spacing_mm=spacing_mm, strength=strength, dataset=dataset)


def _trained(
    runs: Path, method: Method, *, dims: int, spacing_mm: float, strength: float, dataset: Mapping[str, Any]
) -> Path:
    settings = {"name": "folder", "fingerprint": "", "percentiles": [1.0, 99.0], **dataset}
    trial = Trial(method=method.configuration(), dataset=settings, budget=None, seed=0)
    torch.manual_seed(0)
    network = method.network(dims)
    assert network is not None
    state = network.state_dict()
    for name in (name for name in state if name.startswith("head")):
        state[name].normal_(std=strength, generator=torch.Generator().manual_seed(0))
    folder = TrialFolder(runs, trial)
    folder.begin({})
    facts = {"step": 0, "shape": [32] * dims, "spacing_mm": [spacing_mm] * dims}
    folder.finish(facts, weights=save({name: tensor.contiguous() for name, tensor in state.items()}), measured={})
    return folder.path
