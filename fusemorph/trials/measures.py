"""What is measured of one registered pair: a row of the pair, one per label, per landmark and per gate."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusemorph.data.dataset import Pair
from fusemorph.data.masked import METRICS as LIMITED
from fusemorph.fusion.operators.gate import describe_weights
from fusemorph.grid import Mode
from fusemorph.method import PairFailed
from fusemorph.metrics import (
    dice_per_label,
    endpoint_error_mm,
    folding_fraction,
    hd95_l2r_vox,
    nan_mean,
    ndv_fraction,
    sd_log_jacobian,
    sdlogj_l2r,
    surface_distances,
    tre_mm,
)
from fusemorph.metrics.landmarks import Reading
from fusemorph.networks.registration import Registration
from fusemorph.warp import warp_moving_labels

Row = dict[str, Any]
PER_LABEL = ("dice", "hd95_mm", "assd_mm", "hd95_vox")
AS_LEARN2REG = ("hd95_l2r_vox",)
"""Metrics of labels that are measured where these are warped as the challenge warps them."""
OF_LANDMARKS = ("tre_mm", "tre_before_mm")
"""Metrics of pairs whose scans have landmarks, after registration and before."""
METRICS = (*PER_LABEL, "folding_fraction", "ndv_fraction", "sd_log_jacobian", "sdlogj_l2r", "endpoint_error_mm")


def measure_gates(pair: Pair, registration: Registration) -> list[Row]:
    """What each gate did with the pair, as ``describe_weights`` says it; none without gates."""
    return [
        {"pair": pair.name, "stage": stage} | describe_weights(weights)
        for stage, weights in sorted(registration.gates.items())
    ]


def measure_pair(
    pair: Pair, displacement: Float[Tensor, "1 d *s"], labels: dict[int, str], *, label_warp: Mode = "linear"
) -> tuple[Row, list[Row]]:
    """All metrics of one registered pair: its row, and one row per label."""
    mask = torch.from_numpy(np.array(pair.foreground))
    row = name_pair(pair)
    per_label = measure_labels(pair, displacement, labels, label_warp=label_warp)
    row |= {name: nan_mean([entry[name] for entry in per_label]) for name in PER_LABEL}
    more = [name for name in AS_LEARN2REG if per_label and name in per_label[0]]
    row |= {name: nan_mean([entry[name] for entry in per_label]) for name in more}
    row |= {
        "folding_fraction": folding_fraction(displacement, mask=mask),
        "ndv_fraction": ndv_fraction(displacement, mask=mask),
        "sd_log_jacobian": sd_log_jacobian(displacement, mask=mask),
        "sdlogj_l2r": sdlogj_l2r(displacement, mask=pair.limits(LIMITED)),
        "endpoint_error_mm": math.nan,
    }
    if pair.displacement is not None:
        truth = torch.tensor(pair.displacement)[None]
        row["endpoint_error_mm"] = endpoint_error_mm(displacement, truth, spacing_mm=pair.fixed.spacing_mm, mask=mask)
    return row, per_label


def measure_landmarks(pair: Pair, displacement: Float[Tensor, "1 d *s"], *, reading: Reading = "linear") -> list[Row]:
    """Distance of each landmark from its counterpart after registration, and before it, in mm of the fixed grid; none
    where a scan has no landmarks. ``reading``: of the displacement, see ``tre_mm``."""
    fixed, moving = pair.fixed.landmarks, pair.moving.landmarks
    if fixed is None or moving is None:
        return []
    still = torch.zeros_like(displacement)
    after, before = (
        tre_mm(moved, np.array(fixed), np.array(moving), affine=pair.fixed.affine, reading=reading)
        for moved in (displacement, still)
    )
    return [
        {"pair": pair.name, "landmark": number, "tre_mm": float(after[at]), "tre_before_mm": float(before[at])}
        for at, number in enumerate(range(1, len(fixed) + 1))
    ]


def add_segmentation(row: Row, label_rows: list[Row], scores: Sequence[np.ndarray]) -> None:
    """Add ``segmentation_dice``: of each label the mean over both images, of the pair that over labels."""
    of_label = [nan_mean([of_image[at] for of_image in scores]) for at in range(len(scores[0]))]
    row["segmentation_dice"] = nan_mean([nan_mean(list(of_image)) for of_image in scores])
    for label_row, value in zip(label_rows, of_label, strict=True):
        label_row["segmentation_dice"] = value


def name_pair(pair: Pair) -> Row:
    """The cells of a pair's row that identify it."""
    return {
        "split": pair.split,
        "pair": pair.name,
        "fixed": pair.fixed.id,
        "moving": pair.moving.id,
        "fixed_person": pair.fixed.subject,
        "moving_person": pair.moving.subject,
        "block": pair.block,
    }


def failed_row(pair: Pair, failure: PairFailed) -> Row:
    """The row of a pair that could not be registered: no metric is known, and why, in one line."""
    unknown = dict.fromkeys(METRICS, math.nan)
    return name_pair(pair) | unknown | {"failure": " ".join(str(failure).split())}


def measure_labels(
    pair: Pair, displacement: Float[Tensor, "1 d *s"], labels: dict[int, str], *, label_warp: Mode = "linear"
) -> list[Row]:
    """Overlap and surface distances of each label; none where a scan has no labels."""
    if pair.fixed.labels is None or pair.moving.labels is None:
        return []
    fixed, moving, values = pair.fixed.labels, pair.moving.labels, tuple(labels)
    warped = warp_moving_labels(moving, displacement, mode=label_warp)
    if (within := pair.limits(LIMITED)) is not None:
        fixed, warped = fixed * within, warped * within
    measures = {"dice": dice_per_label(fixed, warped, moving_labels=moving, labels=values)}
    measures |= surface_distances(fixed, warped, moving_labels=moving, labels=values, spacing_mm=pair.fixed.spacing_mm)
    if label_warp == "nearest" and fixed.ndim == 3:
        measures["hd95_l2r_vox"] = hd95_l2r_vox(fixed, warped, moving_labels=moving, labels=values)
    return [
        {"pair": pair.name, "label": value, "name": labels[value]}
        | {m: float(values_of[i]) for m, values_of in measures.items()}
        for i, value in enumerate(values)
    ]
