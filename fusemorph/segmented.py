"""Label maps that a network predicted of two images: brought to the images' own grids, written and measured."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from fusemorph.data.dataset import Pair, Scan
from fusemorph.data.preprocess import Volume
from fusemorph.data.world import coordinates_in, pulled_from, read_labels_at
from fusemorph.grid import sample
from fusemorph.method import Method
from fusemorph.metrics import segmentation_dice
from fusemorph.networks.registration import Registration
from fusemorph.registered import write_on_grid

SEGMENTATIONS = ("fixed_segmentation.nii.gz", "moving_segmentation.nii.gz", "warped_segmentation.nii.gz")


def labels_of(method: Method) -> tuple[int, ...]:
    """The labels that a method's network segments; none for one that does not."""
    method = getattr(method, "of", method)
    return () if getattr(method, "segmentation", "own") == "none" else tuple(getattr(method, "labels", ()))


def segment(
    pair: Pair,
    registration: Registration,
    *,
    fixed: Volume,
    moving: Volume,
    displacement_mm: Float[Tensor, "d *s"],
    labels: Sequence[int],
) -> list[Int16[np.ndarray, "..."]]:
    """Predicted labels of fixed and of moving on their own grids, and those of moving warped onto the grid of fixed.

    ``pair``: as it was registered. Where an image was not seen, as moving is seen within the grid of fixed alone, its
    labels are background. Nothing for a network that does not segment.
    """
    if registration.segmentation is None:
        return []
    sides = zip((pair.fixed, pair.moving), registration.segmentation, (fixed, moving), strict=True)
    predicted = [_on_grid(logits, scan, onto, labels) for scan, logits, onto in sides]
    points = pulled_from(moving, fixed=fixed, displacement_mm=displacement_mm)
    return [*predicted, read_labels_at(replace(moving, array=predicted[1]), points)]


def _on_grid(
    logits: Float[Tensor, "1 k *s"], scan: Scan, grid: Volume, labels: Sequence[int]
) -> Int16[np.ndarray, "..."]:
    """The likeliest label at each voxel of an image, read from the probabilities on the network's grid."""
    seen = replace(grid, array=np.asarray(scan.image), affine=scan.affine)
    points = coordinates_in(seen, grid=grid)
    probabilities = sample(logits.cpu().double().softmax(1), points[None])[0]
    ends = torch.tensor(scan.image.shape, dtype=torch.float64).view(-1, *[1] * scan.image.ndim) - 0.5
    inside = ((points >= -0.5) & (points <= ends)).all(dim=0)
    ids = torch.tensor((0, *labels), dtype=torch.int16)
    return np.asarray(torch.where(inside, ids[probabilities.argmax(0)], 0).numpy())


def save_segmentations(out: Path, segmented: Sequence[np.ndarray], *, fixed: Volume, moving: Volume) -> list[Path]:
    """Write what ``segment`` returned, int16, each with the header of its grid's image."""
    written = []
    for name, array, grid in zip(SEGMENTATIONS, segmented, (fixed, moving, fixed), strict=False):
        write_on_grid(out / name, array, grid)
        written.append(out / name)
    return written


def measure_segmentations(
    segmented: Sequence[np.ndarray], fixed: Volume, moving: Volume, *, label_ids: Sequence[int]
) -> pd.DataFrame:
    """Dice by label of the predicted labels of both images against the given ones; no column without predictions."""
    columns = {
        f"{name}_segmentation_dice": segmentation_dice(volume.array, predicted, labels=label_ids)
        for name, predicted, volume in zip(("fixed", "moving"), segmented, (fixed, moving), strict=False)
    }
    return pd.DataFrame(columns, index=pd.Index(list(label_ids), name="label"))
