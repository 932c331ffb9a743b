"""Variations of a training pair that keep what is to be learned: shared flips, and affine and intensity noise.

Source: the augmentation of Tian et al. 2024 (uniGradICON): flips shared by the pair, an affine map of its own for each
image with noise of 0.05; exponents of intensity as usual in the field.
"""

import numpy as np
import torch
from torch import Tensor

from fusemorph.configuration import Augmentation
from fusemorph.grid import Mode, identity_grid, per_axis, sample

AFFINE_NOISE = 0.05
GAMMA = 0.3

Volumes = tuple[Tensor, Tensor]
"""Fixed and moving, ``(b, 1, *s)`` each."""


def augment(
    images: Volumes, labels: Volumes | None, *, kind: Augmentation, rng: np.random.Generator
) -> tuple[Volumes, Volumes | None]:
    """The pairs of a batch varied, their labels with them.

    ``flip``: each axis is mirrored with probability 1/2, in both images alike. ``affine``: then each image is also
    mapped by a matrix of its own, the identity with Gaussian noise of 0.05, about its centre, and its intensities,
    which lie in [0, 1], are raised to a power between 1/1.3 and 1.3. Labels are sampled at the nearest voxel.
    """
    if kind == "none":
        return images, labels
    dims = images[0].dim() - 2
    axes = [axis + 2 for axis in range(dims) if rng.random() < 0.5]
    images = images[0].flip(axes), images[1].flip(axes)
    labels = None if labels is None else (labels[0].flip(axes), labels[1].flip(axes))
    if kind == "flip":
        return images, labels
    maps = [np.eye(dims) + AFFINE_NOISE * rng.standard_normal((dims, dims)) for _ in images]
    powers = [(1 + GAMMA) ** rng.uniform(-1, 1) for _ in images]
    moved = [
        _map(image, matrix).clamp(0, 1) ** power for image, matrix, power in zip(images, maps, powers, strict=True)
    ]
    if labels is not None:
        kept = [
            _map(label.float(), matrix, "nearest").to(label.dtype) for label, matrix in zip(labels, maps, strict=True)
        ]
        labels = kept[0], kept[1]
    return (moved[0], moved[1]), labels


def _map(volume: Tensor, matrix: np.ndarray, mode: Mode = "linear") -> Tensor:
    """The volume read at ``centre + matrix (x - centre)``."""
    shape = volume.shape[2:]
    grid = identity_grid(shape, device=volume.device)
    centre = per_axis([(side - 1) / 2 for side in shape], grid).view(-1, *[1] * len(shape))
    rows = torch.stack([per_axis(row.tolist(), grid) for row in matrix])
    points = torch.einsum("ij,j...->i...", rows, grid - centre) + centre
    return sample(volume, points[None].expand(len(volume), *points.shape), mode=mode)
