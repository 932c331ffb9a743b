"""One training step, from a batch on the device to updated weights: the host queues it and waits for nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from fusemorph.augmentation import Volumes
from fusemorph.configuration import Budget
from fusemorph.losses.training_loss import TrainingLoss, total
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.networks.registration import Registration
from fusemorph.precision import autocast
from fusemorph.trials.batches import both_ways
from fusemorph.trials.compiling import compiled
from fusemorph.warp import warp

GRADIENT_NORM = "gradient_norm"
Terms = dict[str, Tensor]


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


@runtime_checkable
class Checkpointing(Protocol):
    """A network that can compute activations again in the backward pass, to save memory."""

    checkpointing: bool


def set_checkpointing(network: nn.Module, on: bool) -> None:
    """Let the network save memory, if it can; what it computes is the same."""
    if isinstance(network, Checkpointing):
        network.checkpointing = on


def learning_rate(budget: Budget, step: int) -> float:
    """Rate of the step (from 0): linear warm-up, then constant or half a cosine to zero."""
    warm = min(1.0, (step + 1) / (budget.warmup_steps + 1))
    if budget.schedule == "constant":
        return budget.learning_rate * warm
    share = max(0, step - budget.warmup_steps) / max(1, budget.steps - budget.warmup_steps)
    return budget.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """The parameters in groups of one learning rate each, a multiple (``rate``) of the budget's."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(network.rate_of(name) if isinstance(network, Rated) else 1.0, []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]


class TrainingStep:
    """The steps of one training: forward pass, loss, backward pass, update.

    Nothing here reads a value of the device, copies to it, or asks for one. Clipping goes over all gradients at once,
    and on a GPU Adam is one fused kernel a group. On the meta device a step costs nothing and shows what it takes.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: TrainingLoss,
        budget: Budget,
        *,
        label_ids: Sequence[int],
        spacing_mm: tuple[float, ...],
        device: torch.device,
    ) -> None:
        self.network, self.objective, self.budget, self.device = network, objective, budget, device
        self._told: dict[str, Any] = {"label_ids": tuple(label_ids), "spacing_mm": spacing_mm}
        fused = True if device.type == "cuda" else None
        self.optimiser = torch.optim.Adam(parameter_groups(network), lr=budget.learning_rate, fused=fused)
        self._loss: Callable[..., Terms] = (
            self._terms if budget.compiler == "none" else compiled(self._terms, budget.compiler)
        )

    def __call__(self, images: Volumes, labels: Volumes | None, *, seed: int, step: int) -> Terms:
        """One update of the weights; the loss, its weighted terms and the norm of the gradient, on the device."""
        terms = self.gradient(images, labels, seed=seed, step=step)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.budget.clip_norm or math.inf)
        self.optimiser.step()
        return terms | {GRADIENT_NORM: norm}

    def gradient(self, images: Volumes, labels: Volumes | None, *, seed: int, step: int) -> Terms:
        """The loss and its terms, and their gradient in the parameters."""
        if isinstance(self.network, Advancing):
            self.network.advance(step / self.budget.steps, step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.budget, step) * group["rate"]
        generator = self._generator(seed, step)
        with autocast(self.budget.precision, self.device):
            terms = self._compute(images, labels, generator)
        self.optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        return {name: term.detach() for name, term in terms.items()}

    def _compute(self, images: Volumes, labels: Volumes | None, generator: torch.Generator) -> Terms:
        try:
            return self._loss(images, labels, generator)
        except torch._dynamo.exc.TorchDynamoException as error:
            first = str(error).partition("\n")[0]
            raise TrainingFailed(f"the network cannot be compiled as one graph: {first}") from error

    def _terms(self, images: Volumes, labels: Volumes | None, generator: torch.Generator) -> Terms:
        registration = self._register(*images, generator)
        if self.budget.symmetric:
            images = both_ways(*images)
            labels = None if labels is None else both_ways(*labels)
        fixed, moving = (volume[:, :1] for volume in images)
        warped = warp(moving, registration.displacement)
        terms = self.objective.terms(registration, fixed=fixed, warped=warped, labels=labels, **self._told)
        return {"loss": total(terms)} | terms

    def _register(self, fixed: Tensor, moving: Tensor, generator: torch.Generator) -> Registration:
        """The registration of the pairs, in both directions if the budget says so."""
        if not self.budget.symmetric:
            return self.network(fixed, moving, generator=generator)  # type: ignore[no-any-return]
        if isinstance(self.network, PairNetwork):
            return self.network.both_directions(fixed, moving, generator=generator)
        registration: Registration = self.network(*both_ways(fixed, moving), generator=generator)
        return replace(registration, both_directions=True)

    def _generator(self, seed: int, step: int) -> torch.Generator:
        """Where the step's random numbers come from: of its own, or for compiled code the device's, seeded anew."""
        mixed = int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        if self.budget.compiler != "none":
            torch.manual_seed(mixed)
            return torch.default_generator
        return torch.Generator("cpu" if self.device.type == "meta" else self.device).manual_seed(mixed)
