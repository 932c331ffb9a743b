"""The pairs of a training step as tensors, a function of seed and step alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fusemorph.augmentation import Volumes, augment
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset, Pair, Scan
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


def training_batch(
    dataset: Dataset,
    budget: Budget,
    *,
    seed: int,
    step: int,
    labelled: bool,
    device: torch.device,
    held: HeldScans | None = None,
) -> tuple[Volumes, Volumes | None]:
    """Images, and labels where they are asked for, of the pairs of a step, augmented as the budget says."""
    pairs = training_pairs(dataset, budget.batch_size, seed=seed, step=step)
    labels = stack_labels(pairs, device, held=held) if labelled else None
    rng = np.random.default_rng([seed, step, 2])
    return augment(stack_images(pairs, device, held=held), labels, kind=budget.augmentation, rng=rng)


def training_pairs(dataset: Dataset, size: int, *, seed: int, step: int) -> list[Pair]:
    """The pairs of a step; a function of seed and step alone."""
    rng = np.random.default_rng([seed, step])
    return [dataset.training_pair(rng) for _ in range(size)]


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


def _columns(pairs: Sequence[Pair]) -> tuple[list[Scan], list[Scan]]:
    return [pair.fixed for pair in pairs], [pair.moving for pair in pairs]
