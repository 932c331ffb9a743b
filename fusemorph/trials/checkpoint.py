"""What of a training survives its interruption: weights, optimiser and progress, in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from fusemorph.storage import DamagedFile, write_bytes

Row = dict[str, int | float]


@dataclass
class Progress:
    """What has been learned so far beside the weights: all of it travels in the checkpoint.

    ``history`` has one row per validation, ``gates`` one per validation and stage, ``sums`` loss terms since the last
    validation, ``seconds`` the time spent over all attempts.
    """

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    gates: list[Row] = field(default_factory=list)

    def add(self, terms: Mapping[str, float]) -> None:
        """Count a finished step and its loss terms."""
        self.step += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value


def save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Weights, optimiser and progress in one safetensors file, written whole or not at all."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, parameter in enumerate(network.parameters()):
        for name, tensor in optimiser.state[parameter].items():
            tensors[f"optimiser.{index}.{name}"] = tensor
    state = asdict(progress)
    write_bytes(
        path, save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {"progress": json.dumps(state)})
    )


def restore(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Load a checkpoint into network and optimiser.

    Raises:
        ValueError: the file is damaged or its tensors do not fit; the message names it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state: dict[str, Any] = json.loads((file.metadata() or {})["progress"])
        weights = {n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")}
        network.load_state_dict(weights)
    except Exception as error:
        raise ValueError(f"restore(): checkpoint {path} does not fit the network: {error}") from error
    for index, parameter in enumerate(network.parameters()):
        prefix = f"optimiser.{index}."
        moments = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        optimiser.state[parameter] = {n: t if n == "step" else t.to(parameter.device) for n, t in moments.items()}
    return Progress(**state)


def checkpoint_damage(path: Path) -> str | None:
    """Why a checkpoint cannot be gone on from, whatever the network; None where it can."""
    if not path.is_file():
        return f"{path} must be a regular file"
    try:
        with safe_open(path, framework="pt") as file:
            Progress(**json.loads((file.metadata() or {})["progress"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{path} cannot be read as a checkpoint: {error}"
    return None


def checkpoint_step(path: Path) -> int:
    """How many steps a checkpoint is of.

    Raises:
        DamagedFile: it cannot be read.
    """
    if damage := checkpoint_damage(path):
        raise DamagedFile(damage)
    with safe_open(path, framework="pt") as file:
        return int(json.loads(file.metadata()["progress"])["step"])
