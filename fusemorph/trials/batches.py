"""The pairs of a training step as tensors, a function of seed and step alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fusemorph.augmentation import Volumes, augment
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.losses.supervision import UNLABELLED
from fusemorph.method import image_tensor


def both_ways(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """A batch and, after it, the same batch with fixed and moving exchanged."""
    return torch.cat((fixed, moving)), torch.cat((moving, fixed))


def training_batch(
    dataset: Dataset, budget: Budget, *, seed: int, step: int, labelled: bool, device: torch.device
) -> tuple[Volumes, Volumes | None]:
    """Images, and labels where they are asked for, of the pairs of a step, augmented as the budget says."""
    pairs = training_pairs(dataset, budget.batch_size, seed=seed, step=step)
    labels = stack_labels(pairs, device) if labelled else None
    rng = np.random.default_rng([seed, step, 2])
    return augment(stack_images(pairs, device), labels, kind=budget.augmentation, rng=rng)


def training_pairs(dataset: Dataset, size: int, *, seed: int, step: int) -> list[Pair]:
    """The pairs of a step; a function of seed and step alone."""
    rng = np.random.default_rng([seed, step])
    return [dataset.training_pair(rng) for _ in range(size)]


def stack_images(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor]:
    """Fixed and moving images ``(b, 1, *s)`` of the pairs."""
    fixed, moving = ([image_tensor(scan.image, device) for scan in scans] for scans in _columns(pairs))
    return torch.cat(fixed), torch.cat(moving)


def stack_labels(pairs: Sequence[Pair], device: torch.device) -> tuple[Tensor, Tensor]:
    """Fixed and moving labels ``(b, 1, *s)`` of the pairs; ``UNLABELLED`` throughout for a scan that has none."""
    none = torch.full(pairs[0].fixed.image.shape, UNLABELLED, dtype=torch.int16)
    fixed, moving = (
        [none if scan.labels is None else torch.tensor(scan.labels) for scan in scans] for scans in _columns(pairs)
    )
    return torch.stack(fixed)[:, None].to(device), torch.stack(moving)[:, None].to(device)


def _columns(pairs: Sequence[Pair]) -> tuple[list[Scan], list[Scan]]:
    return [pair.fixed for pair in pairs], [pair.moving for pair in pairs]
