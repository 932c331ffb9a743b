"""The pairs of a training step as tensors, a function of seed and step alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusemorph.augmentation import Volumes, augment
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.data.masked import LOSS
from fusemorph.losses.supervision import UNLABELLED


def both_ways(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """A batch and, after it, the same batch with fixed and moving exchanged."""
    return torch.cat((fixed, moving)), torch.cat((moving, fixed))


ON_GPU = 1 / 8
"""The share of a GPU's free memory in which scans stay: most sets of 3-D volumes fit whole."""


class HeldScans:
    """Images and labels of scans that stay on the device once they have been there, as long as there is room.

    What comes from the host comes by way of pinned memory, so that no copy waits for what the device computes.
    """

    def __init__(self, device: torch.device, *, room: int | None = None) -> None:
        """``room``: in bytes; by default a share of a GPU's free memory, and none on a CPU."""
        self._device, self._tensors = device, dict[tuple[str, str], Tensor]()
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        self._room = int(free * ON_GPU) if room is None else room

    def get(self, scan_id: str, part: str, array: np.ndarray, dtype: torch.dtype) -> Tensor:
        """The array of a scan (``part`` says which) on the device."""
        tensor = self._tensors.get((scan_id, part))
        if tensor is None:
            tensor = self._bring(torch.tensor(array, dtype=dtype))
            if tensor.nbytes <= self._room:
                self._room -= tensor.nbytes
                self._tensors[scan_id, part] = tensor
        return tensor

    def _bring(self, tensor: Tensor) -> Tensor:
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)


class Batch(NamedTuple):
    """Images of the pairs of a step, labels where they are asked for, and masks where these limit the loss."""

    images: Volumes
    labels: Volumes | None
    masks: Volumes | None = None


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which pairs of each batch a process computes: of ``size`` equal parts the one of its ``rank``; alone, all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates, saves and records."""
        return self.rank == 0

    def of(self, batch_size: int) -> range:
        """The pairs of this process.

        Raises:
            ValueError: the batch has no equal parts.
        """
        each, rest = divmod(batch_size, self.size)
        if rest:
            raise ValueError(f"Share(): 'batch_size' must be a multiple of {self.size}, got {batch_size}")
        return range(self.rank * each, (self.rank + 1) * each)


ALONE = Share()


def seed_words(seed: int, step: int, purpose: int, pair: int) -> list[int]:
    """What random numbers for one purpose follow from: seed, step, and which pair of the batch it is."""
    return [seed, step, purpose, *([pair] if pair else [])]


def training_batch(
    dataset: Dataset,
    budget: Budget,
    *,
    seed: int,
    step: int,
    labelled: bool,
    device: torch.device,
    held: HeldScans | None = None,
    share: Share = ALONE,
) -> Batch:
    """The pairs of a step, augmented as the budget says.

    Each pair is a function of seed, step and its place in the batch, whichever process computes it.
    """
    parts = [
        _part(dataset, budget, index, seed=seed, step=step, labelled=labelled, device=device, held=held)
        for index in share.of(budget.batch_size)
    ]
    if len(parts) == 1:
        return parts[0]
    images, labels, masks = (_joined([part[at] for part in parts]) for at in range(3))
    assert images is not None
    return Batch(images=images, labels=labels, masks=masks)


def _part(
    dataset: Dataset, budget: Budget, index: int, *, seed: int, step: int, labelled: bool, device: torch.device,
    held: HeldScans | None,
) -> Batch:  # fmt: skip
    """One pair of a batch."""
    pair = [training_pair(dataset, index, seed=seed, step=step)]
    labels = stack_labels(pair, device, held=held) if labelled else None
    masks = stack_masks(pair, device, held=held) if LOSS in dataset.masked else None
    given = [volumes for volumes in (labels, masks) if volumes is not None]
    fixed, moving = ([volumes[side] for volumes in given] for side in (0, 1))
    maps = (torch.cat(fixed, dim=1), torch.cat(moving, dim=1)) if given else None
    rng = np.random.default_rng(seed_words(seed, step, 2, index))
    images, maps = augment(stack_images(pair, device, held=held), maps, kind=budget.augmentation, rng=rng)
    if maps is None:
        return Batch(images=images, labels=None)
    return Batch(
        images=images,
        labels=None if labels is None else (maps[0][:, :1], maps[1][:, :1]),
        masks=None if masks is None else (maps[0][:, -1:], maps[1][:, -1:]),
    )


def _joined(parts: Sequence[Volumes | None]) -> Volumes | None:
    """Volumes of several pairs as a batch; None where these have none, of which all pairs or none have some."""
    there = [part for part in parts if part is not None]
    return (torch.cat([fixed for fixed, _ in there]), torch.cat([moving for _, moving in there])) if there else None


def training_pair(dataset: Dataset, index: int, *, seed: int, step: int) -> Pair:
    """One pair of the batch of a step; a function of seed, step and index alone."""
    return dataset.training_pair(np.random.default_rng(seed_words(seed, step, 0, index) if index else [seed, step]))


def stack_images(
    pairs: Sequence[Pair], device: torch.device, *, held: HeldScans | None = None
) -> tuple[Tensor, Tensor]:
    """Fixed and moving images ``(b, 1, *s)`` of the pairs; as a second channel the label maps that they are given."""
    held = held or HeldScans(device, room=0)
    fixed, moving = ([_input(scan, held) for scan in scans] for scans in _columns(pairs))
    return torch.stack(fixed), torch.stack(moving)


def _input(scan: Scan, held: HeldScans) -> Tensor:
    channels = [held.get(scan.id, "image", scan.image, torch.float32)]
    if scan.given is not None:
        channels.append(held.get(scan.id, "given", scan.given, torch.float32))
    return torch.stack(channels)


def stack_labels(
    pairs: Sequence[Pair], device: torch.device, *, held: HeldScans | None = None
) -> tuple[Tensor, Tensor]:
    """Fixed and moving labels ``(b, 1, *s)`` of the pairs; ``UNLABELLED`` throughout for a scan that has none."""
    held = held or HeldScans(device, room=0)
    none = torch.full(pairs[0].fixed.image.shape, UNLABELLED, dtype=torch.int16, device=device)
    fixed, moving = (
        [none if scan.labels is None else held.get(scan.id, "labels", scan.labels, torch.int16) for scan in scans]
        for scans in _columns(pairs)
    )
    return torch.stack(fixed)[:, None], torch.stack(moving)[:, None]


def stack_masks(pairs: Sequence[Pair], device: torch.device, *, held: HeldScans | None = None) -> tuple[Tensor, Tensor]:
    """Masks ``(b, 1, *s)`` of the fixed and the moving images, 1 inside; 1 throughout for a scan that has none."""
    held = held or HeldScans(device, room=0)
    everything = torch.ones(pairs[0].fixed.image.shape, dtype=torch.int16, device=device)
    fixed, moving = (
        [everything if scan.mask is None else held.get(scan.id, "mask", scan.mask > 0, torch.int16) for scan in scans]
        for scans in _columns(pairs)
    )
    return torch.stack(fixed)[:, None], torch.stack(moving)[:, None]


def _columns(pairs: Sequence[Pair]) -> tuple[list[Scan], list[Scan]]:
    return [pair.fixed for pair in pairs], [pair.moving for pair in pairs]
