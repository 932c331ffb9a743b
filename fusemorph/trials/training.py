"""Training of one network: a pure function of method, dataset, budget and seed, whatever interrupts it.

Everything random is drawn from generators seeded by ``(seed, step)``, so a checkpoint needs weights, optimiser and the
step alone, and a resumed run ends bit-equal to an unbroken one (same device and threads).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.method import Method
from fusemorph.trials.batches import ALONE, Batch, HeldScans, Share, training_batch
from fusemorph.trials.checkpoint import Progress, Row, restore, save_checkpoint
from fusemorph.trials.feed import Feed
from fusemorph.trials.step import GRADIENT_NORM, TrainingFailed, TrainingStep, learning_rate, set_checkpointing
from fusemorph.trials.validation import validate

CHECKPOINT_EVERY_S = 60.0
READ_EVERY = 20
READ_EVERY_S = 1.0
"""Losses stay on the device for so many steps or seconds at the most: reading one waits for all that is queued."""


class Unread:
    """Losses of finished steps that are still on the device, and how long the steps took."""

    def __init__(self, on_step: Callable[[int, Mapping[str, float]], None]) -> None:
        self.step_s: list[float] = []
        self._on_step = on_step
        self._rows: list[Mapping[str, Tensor]] = []
        self._since = 0.0

    def add(self, terms: Mapping[str, Tensor], began: float) -> None:
        """A step that began then has been queued."""
        self._since = self._since if self._rows else began
        self._rows.append(terms)

    def read(self, progress: Progress, *, now: bool) -> bool:
        """Where it is time, or ``now``: wait for the device, check what the steps gave, and count them as finished.

        Returns whether it was time.

        Raises:
            TrainingFailed: a loss or a gradient is not finite.
        """
        if not now and len(self._rows) < READ_EVERY and time.monotonic() - self._since <= READ_EVERY_S:
            return False
        numbers = torch.cat([torch.stack(tuple(terms.values())) for terms in self._rows]).tolist()
        took_s = time.monotonic() - self._since
        progress.seconds += took_s
        for row in self._rows:
            values, numbers = dict(zip(row, numbers, strict=False)), numbers[len(row) :]
            norm = values.pop(GRADIENT_NORM)
            if not math.isfinite(values["loss"]):
                raise TrainingFailed(f"the loss is not finite at step {progress.step + 1}: {values}")
            if not math.isfinite(norm):
                where = f"at step {progress.step + 1} (loss {values['loss']:.6g})"
                raise TrainingFailed(f"the gradient is not finite {where}")
            progress.add(values)
            self.step_s.append(took_s / len(self._rows))
            self._on_step(progress.step, values)
        self._rows = []
        return True


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network with its history, and the seconds of each step of this attempt.

    Training was stopped early where ``progress.step`` falls short of the budget's steps.
    """

    network: nn.Module
    progress: Progress
    step_s: list[float]
    resumed_at: int


def train(
    method: Method, dataset: Dataset, budget: Budget, seed: int, *,
    device: torch.device,
    checkpoint: Path | None = None,
    on_step: Callable[[int, Mapping[str, float]], None] = lambda step, terms: None,
    stops: Callable[[Sequence[Row]], bool] = lambda history: False,
    interrupted: Callable[[], bool] = lambda: False,
    checkpointing: bool = False,
    initial: Mapping[str, Tensor] | None = None,
    share: Share = ALONE,
) -> Trained:  # fmt: skip
    """Train the method's network, going on from ``checkpoint`` where it exists and writing it every minute.

    ``on_step`` gets each step's number and loss terms, some steps later. ``stops`` is asked after each validation, with
    the history so far, and ``interrupted`` after each step, whether to stop: the checkpoint is written then, and a
    later call goes on. ``checkpointing`` saves memory; ``initial``: weights of the trial that the method begins with.
    ``share``: the part of each batch that this process computes; only the one that leads validates, stops and writes.

    Raises:
        TrainingFailed: the loss or a gradient is not finite.
        ValueError: the checkpoint does not fit the network.
    """
    step_of = _start(
        method, dataset, budget, seed, device=device, checkpointing=checkpointing, initial=initial, share=share
    )
    progress = _resume(checkpoint, step_of)
    resumed_at, saved, unread = progress.step, time.monotonic(), Unread(on_step)
    with _feed(dataset, budget, step_of.objective, seed=seed, first=progress.step, device=device, share=share) as feed:
        for step in range(progress.step, budget.steps):
            began = time.monotonic()
            unread.add(step_of(*feed.next(), seed=seed, step=step), began)
            validated, stop = share.leads and step + 1 in budget.validation_steps(), interrupted()
            saving = share.leads and checkpoint is not None and time.monotonic() - saved > CHECKPOINT_EVERY_S
            if not unread.read(progress, now=validated or stop or saving or step + 1 == budget.steps):
                continue
            if validated:
                feed.rest()
                _record_validation(progress, step_of.network, dataset, budget, device=device)
                stop = stops(progress.history) or stop
            if checkpoint and (stop or saving) and progress.step < budget.steps:
                save_checkpoint(checkpoint, step_of.network, step_of.optimiser, progress)
                saved = time.monotonic()
            if stop:
                break
    return Trained(network=step_of.network, progress=progress, step_s=unread.step_s, resumed_at=resumed_at)


def _feed(
    dataset: Dataset, budget: Budget, objective: TrainingLoss, *, seed: int, first: int, device: torch.device,
    share: Share,
) -> Feed[Batch]:  # fmt: skip
    labelled = objective.reads_labels and bool(dataset.labelled_subjects or objective.supervision.predictions_weight)
    held = HeldScans(device)

    def make(step: int) -> Batch:
        return training_batch(
            dataset, budget, seed=seed, step=step, labelled=labelled, device=device, held=held, share=share
        )

    return Feed(make, first=first, last=budget.steps - 1)


def _start(
    method: Method, dataset: Dataset, budget: Budget, seed: int, *, device: torch.device, checkpointing: bool,
    initial: Mapping[str, Tensor] | None, share: Share,
) -> TrainingStep:  # fmt: skip
    """The steps of a network with the initial weights of the seed, or with those of the trial that it begins with."""
    if method.objective is None:
        raise ValueError(f"train(): 'method' must have an objective, {method.name} has none")
    if method.objective.inverse_consistency_weight and not budget.symmetric:
        raise ValueError("train(): 'budget' must be symmetric for a loss with an 'inverse_consistency_weight'")
    with _seeded(seed):
        network = method.network(len(dataset.shape))
    assert network is not None
    set_checkpointing(network, checkpointing)
    if initial is not None:
        method.take_over(network, initial)
    network.to(device)
    if share.size > 1:  # what it began with is the leader's to say
        for tensor in network.state_dict().values():
            torch.distributed.broadcast(tensor, 0)
    return TrainingStep(
        network, method.objective, budget,
        label_ids=tuple(dataset.labels), spacing_mm=dataset.spacing_mm, device=device,
        share=share,
    )  # fmt: skip


def _resume(checkpoint: Path | None, step_of: TrainingStep) -> Progress:
    if checkpoint and checkpoint.exists():
        return restore(checkpoint, step_of.network, step_of.optimiser)
    return Progress()


def _record_validation(
    progress: Progress, network: nn.Module, dataset: Dataset, budget: Budget, *, device: torch.device
) -> None:
    began = time.monotonic()
    since = progress.step - (int(progress.history[-1]["step"]) if progress.history else 0)
    means = {name: value / since for name, value in progress.sums.items()}
    outcome = validate(network, dataset, count=budget.validation_pairs, precision=budget.precision, device=device)
    row = {"step": progress.step, **means, "learning_rate": learning_rate(budget, progress.step - 1)}
    regularity = {"val_folding_fraction": outcome.folding_fraction, "val_sd_log_jacobian": outcome.sd_log_jacobian}
    segmented = {} if outcome.segmentation_dice is None else {"val_segmentation_dice": outcome.segmentation_dice}
    progress.history.append(row | {"val_dice": outcome.dice} | regularity | segmented)
    progress.gates.extend({"step": progress.step, "stage": stage} | row for stage, row in outcome.gates.items())
    progress.sums = {}
    progress.seconds += time.monotonic() - began


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global random state of torch set for the initial weights, and put back."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield
