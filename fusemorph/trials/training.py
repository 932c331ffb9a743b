"""Training of one network: a pure function of method, dataset, budget and seed, whatever interrupts it.

Everything random is drawn from generators seeded by ``(seed, step)``, so a checkpoint needs weights, optimiser and the
step alone, and a resumed run ends bit-equal to an unbroken one (same device and threads).
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.losses.training_loss import TrainingLoss, total
from fusemorph.method import Method, image_tensor
from fusemorph.precision import autocast
from fusemorph.records import write_bytes
from fusemorph.trials.validation import validate
from fusemorph.warp import warp

CHECKPOINT_EVERY_S = 60.0

Row = dict[str, int | float]


class TrainingFailed(RuntimeError):
    """Training cannot go on; the message is the reason for the record."""


@runtime_checkable
class Advancing(Protocol):
    """A network that is trained in parts, one after the other.

    ``advance`` is called before each step with the share of the steps that are done. What it does, such as freezing
    weights, must follow from the share alone: then a resumed training ends bit-equal.
    """

    def advance(self, share: float) -> None:
        """Prepare for the step."""


@dataclass
class Progress:
    """What has been learned so far beside the weights: all of it travels in the checkpoint.

    ``history`` has one row a validation, ``gates`` one a validation and stage, ``sums`` the loss terms since the last
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


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network with what was learned on the way, and the seconds of each step of this attempt.

    Training was stopped early where ``progress.step`` falls short of the budget's steps.
    """

    network: nn.Module
    progress: Progress
    step_s: list[float]
    resumed_at: int


def learning_rate(budget: Budget, step: int) -> float:
    """Rate of the step (from 0): linear warm-up, then constant or half a cosine to zero."""
    warm = min(1.0, (step + 1) / (budget.warmup_steps + 1))
    if budget.schedule == "constant":
        return budget.learning_rate * warm
    share = max(0, step - budget.warmup_steps) / max(1, budget.steps - budget.warmup_steps)
    return budget.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))


def train(
    method: Method,
    dataset: Dataset,
    budget: Budget,
    seed: int,
    *,
    device: torch.device,
    checkpoint: Path | None = None,
    on_step: Callable[[int, Mapping[str, float]], None] = lambda step, terms: None,
    stops: Callable[[Sequence[Row]], bool] = lambda history: False,
) -> Trained:
    """Train the method's network, going on from ``checkpoint`` where it exists and writing it every minute.

    ``on_step`` is called after each step with the count of finished steps and the loss terms. ``stops`` is asked after
    each validation, with the history so far, whether to stop early; the schedule knows nothing of it, and the
    checkpoint is written, so that a later call goes on.

    Raises:
        TrainingFailed: the loss or a gradient is not finite.
        ValueError: the checkpoint does not fit the network.
    """
    network, objective = _start(method, dataset, seed, device)
    optimiser = torch.optim.Adam(network.parameters(), lr=budget.learning_rate)
    progress = restore(checkpoint, network, optimiser) if checkpoint and checkpoint.exists() else Progress()
    resumed_at, times, saved = progress.step, [], time.monotonic()
    for step in range(progress.step, budget.steps):
        began = time.monotonic()
        if isinstance(network, Advancing):
            network.advance(step / budget.steps)
        terms = _step(network, optimiser, objective, dataset, budget, seed=seed, step=step, device=device)
        times.append(time.monotonic() - began)
        progress.add(terms)
        validated = progress.step in budget.validation_steps()
        if validated:
            _record_validation(progress, network, dataset, budget, device=device)
        progress.seconds += time.monotonic() - began
        on_step(progress.step, terms)
        if validated and stops(progress.history) and progress.step < budget.steps:
            if checkpoint:
                save_checkpoint(checkpoint, network, optimiser, progress)
            break
        if checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY_S and progress.step < budget.steps:
            save_checkpoint(checkpoint, network, optimiser, progress)
            saved = time.monotonic()
    return Trained(network=network, progress=progress, step_s=times, resumed_at=resumed_at)


def _start(method: Method, dataset: Dataset, seed: int, device: torch.device) -> tuple[nn.Module, TrainingLoss]:
    """The network with the initial weights of the seed, and what trains it."""
    if method.objective is None:
        raise ValueError(f"train(): 'method' must have an objective, {method.name} has none")
    with _seeded(seed):
        network = method.network(len(dataset.shape))
    assert network is not None
    return network.to(device), method.objective


def _step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    objective: TrainingLoss,
    dataset: Dataset,
    budget: Budget,
    *,
    seed: int,
    step: int,
    device: torch.device,
) -> dict[str, float]:
    """One update of the weights; returns the loss and its weighted terms."""
    pairs = training_pairs(dataset, budget.batch_size, seed=seed, step=step)
    fixed, moving = stack_images(pairs, device)
    labels = stack_labels(pairs, device) if objective.dice_weight else None
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(budget, step)
    with autocast(budget.precision, device):
        registration = network(fixed, moving, generator=_generator(seed, step, device))
        warped = warp(moving, registration.displacement)
        terms = objective.terms(registration, fixed=fixed, warped=warped, labels=labels, spacing_mm=dataset.spacing_mm)
    loss = total(terms)
    values = {"loss": float(loss.detach())} | {name: float(term.detach()) for name, term in terms.items()}
    if not math.isfinite(values["loss"]):
        raise TrainingFailed(f"the loss is not finite at step {step + 1}: {values}")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), budget.clip_norm or math.inf))
    if not math.isfinite(norm):
        raise TrainingFailed(f"the gradient is not finite at step {step + 1} (loss {values['loss']:.6g})")
    optimiser.step()
    return values


def training_pairs(dataset: Dataset, size: int, *, seed: int, step: int) -> list[Pair]:
    """The pairs of a step; a function of seed and step alone."""
    rng = np.random.default_rng([seed, step])
    return [dataset.training_pair(rng) for _ in range(size)]


def stack_images(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor]:
    """Fixed and moving images ``(b, 1, *s)`` of the pairs."""
    fixed, moving = ([image_tensor(scan.image, device) for scan in scans] for scans in _columns(pairs))
    return torch.cat(fixed), torch.cat(moving)


def stack_labels(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor]:
    """Fixed and moving labels ``(b, 1, *s)`` of the pairs; zeros for a pair of which either scan has none."""
    none = torch.zeros(pairs[0].fixed.image.shape, dtype=torch.int16)
    labelled = [pair.fixed.labels is not None and pair.moving.labels is not None for pair in pairs]
    fixed, moving = (
        [torch.tensor(scan.labels) if known else none for scan, known in zip(scans, labelled, strict=True)]
        for scans in _columns(pairs)
    )
    return torch.stack(fixed)[:, None].to(device), torch.stack(moving)[:, None].to(device)


def _columns(pairs: Sequence[Pair]) -> tuple[list[Scan], list[Scan]]:
    return [pair.fixed for pair in pairs], [pair.moving for pair in pairs]


def _record_validation(
    progress: Progress, network: nn.Module, dataset: Dataset, budget: Budget, *, device: torch.device
) -> None:
    since = progress.step - (int(progress.history[-1]["step"]) if progress.history else 0)
    means = {name: value / since for name, value in progress.sums.items()}
    outcome = validate(network, dataset, count=budget.validation_pairs, precision=budget.precision, device=device)
    row = {"step": progress.step, **means, "learning_rate": learning_rate(budget, progress.step - 1)}
    regularity = {"val_folding_fraction": outcome.folding_fraction, "val_sd_log_jacobian": outcome.sd_log_jacobian}
    progress.history.append(row | {"val_dice": outcome.dice} | regularity)
    for stage, (joint, single) in outcome.gates.items():
        progress.gates.append({"step": progress.step, "stage": stage, "joint_weight": joint, "single_weight": single})
    progress.sums = {}


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
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        optimiser.state[parameter] = {n: t if n == "step" else t.to(parameter.device) for n, t in own.items()}
    return Progress(**state)


def _generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    mixed = int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(mixed)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global random state of torch set for the initial weights, and put back."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield
