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
from fusemorph.trials.batches import ALONE, Share, both_ways, seed_words
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

    The gradient of a batch is the mean of those of its pairs, which are computed one after the other, each from random
    numbers of its own: a larger batch takes no more memory, and its pairs may be shared among processes (``share``)
    that have met by ``torch.distributed``. All of them start from the same weights, and stay equal.

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
        share: Share = ALONE,
    ) -> None:
        self.network, self.objective, self.budget, self.device = network, objective, budget, device
        self._share = share
        self._told: dict[str, Any] = {"label_ids": tuple(label_ids), "spacing_mm": spacing_mm}
        fused = True if device.type == "cuda" else None
        self.optimiser = torch.optim.Adam(parameter_groups(network), lr=budget.learning_rate, fused=fused)
        self._loss: Callable[..., Terms] = (
            self._terms if budget.compiler == "none" else compiled(self._terms, budget.compiler)
        )

    def __call__(
        self, images: Volumes, labels: Volumes | None, masks: Volumes | None = None, *, seed: int, step: int
    ) -> Terms:
        """One update of the weights; the loss, its weighted terms and the norm of the gradient, on the device."""
        terms = self.gradient(images, labels, masks, seed=seed, step=step)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.budget.clip_norm or math.inf)
        self.optimiser.step()
        return terms | {GRADIENT_NORM: norm}

    def gradient(
        self, images: Volumes, labels: Volumes | None, masks: Volumes | None = None, *, seed: int, step: int
    ) -> Terms:
        """The loss and its terms, means over the pairs of all processes, and their gradient in the parameters."""
        if isinstance(self.network, Advancing):
            self.network.advance(step / self.budget.steps, step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.budget, step) * group["rate"]
        self.optimiser.zero_grad(set_to_none=True)
        count = len(images[0])
        found = []
        for index in range(count):
            generator = self._generator(seed, step, self._share.rank * count + index)
            with autocast(self.budget.precision, self.device):
                maps = [volumes and _pair(volumes, index) for volumes in (labels, masks)]
                terms = self._compute(_pair(images, index), maps[0], maps[1], generator)
            (terms["loss"] / (count * self._share.size)).backward()  # type: ignore[no-untyped-call]
            found.append({name: term.detach() for name, term in terms.items()})
        return self._mean(found)

    def _mean(self, found: Sequence[Terms]) -> Terms:
        """The mean of the terms over the pairs of all processes, whose gradients are summed up too.

        No graph depends on a value, so that the same weights take part in every process. (DistributedDataParallel must
        be told of those that do not, and of every change, as where networks are trained level by level.)
        """
        if len(found) == self._share.size == 1:
            return found[0]
        terms = torch.stack([torch.stack(tuple(terms.values())) for terms in found]).sum(0)
        if self._share.size > 1:
            gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
            sums = torch.cat([terms, *(gradient.flatten() for gradient in gradients)])
            torch.distributed.all_reduce(sums)
            terms, *summed = torch.split(sums, [len(terms), *(gradient.numel() for gradient in gradients)])
            for gradient, numbers in zip(gradients, summed, strict=True):
                gradient.copy_(numbers.view_as(gradient))
        means = terms / (len(found) * self._share.size)
        return dict(zip(found[0], means.unbind(), strict=True))

    def _compute(
        self, images: Volumes, labels: Volumes | None, masks: Volumes | None, generator: torch.Generator
    ) -> Terms:
        try:
            return self._loss(images, labels, masks, generator)
        except torch._dynamo.exc.TorchDynamoException as error:
            first = str(error).partition("\n")[0]
            raise TrainingFailed(f"the network cannot be compiled as one graph: {first}") from error

    def _terms(
        self, images: Volumes, labels: Volumes | None, masks: Volumes | None, generator: torch.Generator
    ) -> Terms:
        registration = self._register(*images, generator)
        if self.budget.symmetric:
            images = both_ways(*images)
            labels, masks = (None if maps is None else both_ways(*maps) for maps in (labels, masks))
        fixed, moving = (volume[:, :1] for volume in images)
        warped = warp(moving, registration.displacement)
        mask = None if masks is None else masks[0].float()
        terms = self.objective.terms(registration, fixed=fixed, warped=warped, labels=labels, mask=mask, **self._told)
        return {"loss": total(terms)} | terms

    def _register(self, fixed: Tensor, moving: Tensor, generator: torch.Generator) -> Registration:
        """The registration of the pairs, in both directions if the budget says so."""
        if not self.budget.symmetric:
            return self.network(fixed, moving, generator=generator)  # type: ignore[no-any-return]
        if isinstance(self.network, PairNetwork):
            return self.network.both_directions(fixed, moving, generator=generator)
        registration: Registration = self.network(*both_ways(fixed, moving), generator=generator)
        return replace(registration, both_directions=True)

    def _generator(self, seed: int, step: int, pair: int) -> torch.Generator:
        """Where a pair's random numbers come from: of its own, or for compiled code the device's, seeded anew."""
        words = np.random.SeedSequence(seed_words(seed, step, 1, pair)).generate_state(1, np.uint64)
        mixed = int(words[0] >> np.uint64(1))
        if self.budget.compiler != "none":
            torch.manual_seed(mixed)
            return torch.default_generator
        return torch.Generator("cpu" if self.device.type == "meta" else self.device).manual_seed(mixed)


def _pair(volumes: Volumes, index: int) -> Volumes:
    """One pair of a batch, as a batch."""
    return volumes[0][index : index + 1], volumes[1][index : index + 1]
