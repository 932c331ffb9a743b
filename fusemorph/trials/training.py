"""Training of one network: a pure function of method, dataset, budget and seed, whatever interrupts it.

Everything random is drawn from generators seeded by ``(seed, step)``, so a checkpoint needs weights, optimiser and the
step alone, and a resumed run ends bit-equal to an unbroken one (same device and threads).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset
from fusemorph.losses.training_loss import TrainingLoss, total
from fusemorph.method import Method
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.precision import autocast
from fusemorph.trials.batches import both_ways, training_batch
from fusemorph.trials.checkpoint import Progress, Row, restore, save_checkpoint
from fusemorph.trials.validation import validate
from fusemorph.warp import warp

CHECKPOINT_EVERY_S = 60.0


class TrainingFailed(RuntimeError):
    """Training cannot go on; the message is the reason for the record."""


@runtime_checkable
class Advancing(Protocol):
    """A network that is trained in parts, one after the other.

    ``advance`` is called before each step with the share of the steps that are done, and their number. What it does,
    such as freezing weights, must follow from these alone: then a resumed training ends bit-equal.
    """

    def advance(self, share: float, step: int) -> None:
        """Prepare for the step."""


@runtime_checkable
class Rated(Protocol):
    """A network whose parameters learn at rates of their own."""

    def rate_of(self, name: str) -> float:
        """Learning rate of the parameter of that name, as a multiple of the budget's."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network with its history, and the seconds of each step of this attempt.

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
    interrupted: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train the method's network, going on from ``checkpoint`` where it exists and writing it every minute.

    ``on_step`` is called after each step with the count of finished steps and the loss terms. ``stops`` is asked after
    each validation, with the history so far, whether to stop early; the schedule knows nothing of it, and the
    checkpoint is written, so that a later call goes on. ``interrupted`` is asked after each step, to the same effect.

    Raises:
        TrainingFailed: the loss or a gradient is not finite.
        ValueError: the checkpoint does not fit the network.
    """
    network, objective = _start(method, dataset, budget, seed, device)
    optimiser = torch.optim.Adam(parameter_groups(network), lr=budget.learning_rate)
    progress = restore(checkpoint, network, optimiser) if checkpoint and checkpoint.exists() else Progress()
    resumed_at, times, saved = progress.step, [], time.monotonic()
    for step in range(progress.step, budget.steps):
        began = time.monotonic()
        terms = _step(network, optimiser, objective, dataset, budget, seed=seed, step=step, device=device)
        times.append(time.monotonic() - began)
        progress.add(terms)
        validated = progress.step in budget.validation_steps()
        if validated:
            _record_validation(progress, network, dataset, budget, device=device)
        progress.seconds += time.monotonic() - began
        on_step(progress.step, terms)
        stop = ((validated and stops(progress.history)) or interrupted()) and progress.step < budget.steps
        if checkpoint and progress.step < budget.steps and (stop or time.monotonic() - saved > CHECKPOINT_EVERY_S):
            save_checkpoint(checkpoint, network, optimiser, progress)
            saved = time.monotonic()
        if stop:
            break
    return Trained(network=network, progress=progress, step_s=times, resumed_at=resumed_at)


def _start(
    method: Method, dataset: Dataset, budget: Budget, seed: int, device: torch.device
) -> tuple[nn.Module, TrainingLoss]:
    """The network with the initial weights of the seed, and its training loss."""
    if method.objective is None:
        raise ValueError(f"train(): 'method' must have an objective, {method.name} has none")
    if method.objective.inverse_consistency_weight and not budget.symmetric:
        raise ValueError("train(): 'budget' must be symmetric for a loss with an 'inverse_consistency_weight'")
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
    if isinstance(network, Advancing):
        network.advance(step / budget.steps, step)
    labelled = objective.reads_labels and bool(dataset.labelled_subjects or objective.supervision.predictions_weight)
    (fixed, moving), labels = training_batch(dataset, budget, seed=seed, step=step, labelled=labelled, device=device)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(budget, step) * group["rate"]
    with autocast(budget.precision, device):
        registration = _register(network, fixed, moving, budget, generator=_generator(seed, step, device))
        if budget.symmetric:
            fixed, moving = both_ways(fixed, moving)
            labels = None if labels is None else both_ways(*labels)
        warped = warp(moving, registration.displacement)
        terms = objective.terms(
            registration, fixed=fixed, warped=warped, labels=labels, spacing_mm=dataset.spacing_mm,
            label_ids=tuple(dataset.labels),
        )  # fmt: skip
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


def _register(
    network: nn.Module, fixed: Tensor, moving: Tensor, budget: Budget, *, generator: torch.Generator
) -> Registration:
    """The registration of the pairs, in both directions if the budget says so."""
    if not budget.symmetric:
        return network(fixed, moving, generator=generator)  # type: ignore[no-any-return]
    if isinstance(network, PairNetwork):
        return network.both_directions(fixed, moving, generator=generator)
    registration: Registration = network(*both_ways(fixed, moving), generator=generator)
    return replace(registration, both_directions=True)


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """The parameters in groups of one learning rate each, a multiple (``rate``) of the budget's."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(network.rate_of(name) if isinstance(network, Rated) else 1.0, []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]


def _record_validation(
    progress: Progress, network: nn.Module, dataset: Dataset, budget: Budget, *, device: torch.device
) -> None:
    since = progress.step - (int(progress.history[-1]["step"]) if progress.history else 0)
    means = {name: value / since for name, value in progress.sums.items()}
    outcome = validate(network, dataset, count=budget.validation_pairs, precision=budget.precision, device=device)
    row = {"step": progress.step, **means, "learning_rate": learning_rate(budget, progress.step - 1)}
    regularity = {"val_folding_fraction": outcome.folding_fraction, "val_sd_log_jacobian": outcome.sd_log_jacobian}
    segmented = {} if outcome.segmentation_dice is None else {"val_segmentation_dice": outcome.segmentation_dice}
    progress.history.append(row | {"val_dice": outcome.dice} | regularity | segmented)
    progress.gates.extend({"step": progress.step, "stage": stage} | row for stage, row in outcome.gates.items())
    progress.sums = {}


def _generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    mixed = int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=device).manual_seed(mixed)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global random state of torch set for the initial weights, and put back."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield
