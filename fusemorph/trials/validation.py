"""Selection metrics during training: val Dice, folding and what the gates do."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from fusemorph.data.dataset import Dataset, Pair, PairIndex
from fusemorph.data.masked import METRICS
from fusemorph.fusion.operators.gate import describe_weights
from fusemorph.method import input_tensor
from fusemorph.metrics import (
    dice_per_label,
    folding_fraction,
    nan_mean,
    predicted_labels,
    sd_log_jacobian,
    segmentation_dice,
)
from fusemorph.networks.registration import Registration
from fusemorph.precision import Precision, autocast
from fusemorph.warp import warp_moving_labels


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Means over the validation pairs; ``gates`` holds by stage what ``describe_weights`` says.

    ``segmentation_dice`` is None for networks that segment nothing.
    """

    dice: float
    folding_fraction: float
    sd_log_jacobian: float
    gates: dict[int, dict[str, float]]
    segmentation_dice: float | None = None


def spread(indices: tuple[PairIndex, ...], count: int) -> tuple[PairIndex, ...]:
    """At most ``count`` of the pairs, at equal distances."""
    chosen = np.unique(np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int))
    return tuple(indices[i] for i in chosen)


def validate(
    network: nn.Module, dataset: Dataset, *, count: int, precision: Precision, device: torch.device
) -> Validation:
    """Register ``count`` val pairs with the mean velocity, in the precision of the training, and measure them."""
    dataset = dataset.selection
    pairs = [dataset.pair(index) for index in spread(dataset.pairs("val"), count)]
    dice, folding, spread_of_volume, gates, segmented = [], [], [], [], []
    for pair in pairs:
        fixed, moving = (input_tensor(scan, device) for scan in (pair.fixed, pair.moving))
        with torch.inference_mode(), autocast(precision, device):
            registration = network(fixed, moving)
        displacement = registration.displacement.cpu()
        dice.append(pair_dice(pair, displacement, dataset))
        folding.append(folding_fraction(displacement, mask=pair.foreground))
        spread_of_volume.append(sd_log_jacobian(displacement, mask=pair.foreground))
        gates.append({stage: describe_weights(weights) for stage, weights in registration.gates.items()})
        segmented += [nan_mean(list(scores)) for scores in segmentation_scores(pair, registration, dataset.labels)]
    by_stage = {
        stage: {name: float(np.mean([row[stage][name] for row in gates])) for name in described}
        for stage, described in gates[0].items()
    }
    return Validation(
        dice=nan_mean(dice),
        folding_fraction=nan_mean(folding),
        sd_log_jacobian=nan_mean(spread_of_volume),
        gates=by_stage,
        segmentation_dice=nan_mean(segmented) if segmented else None,
    )


def segmentation_scores(
    pair: Pair, registration: Registration, labels: Iterable[int]
) -> list[Float64[np.ndarray, " n"]]:
    """Dice by label of the predicted segmentation of each image of the pair; none where nothing is predicted."""
    if registration.segmentation is None:
        return []
    ids = tuple(labels)
    return [
        segmentation_dice(scan.labels, predicted_labels(logits, ids), labels=ids)
        for scan, logits in zip((pair.fixed, pair.moving), registration.segmentation, strict=True)
        if scan.labels is not None
    ]


def unregistered_dice(dataset: Dataset, *, count: int) -> float:
    """Mean Dice of the pairs that ``validate`` takes, before registration: the val Dice of identity."""
    dataset = dataset.selection
    pairs = [dataset.pair(index) for index in spread(dataset.pairs("val"), count)]
    still = torch.zeros(1, len(dataset.shape), *dataset.shape)
    return nan_mean([pair_dice(pair, still, dataset) for pair in pairs])


def pair_dice(pair: Pair, displacement: torch.Tensor, dataset: Dataset) -> float:
    """Mean Dice over the dataset's labels, moving labels warped as one-hot, linearly; NaN without labels."""
    if pair.fixed.labels is None or pair.moving.labels is None:
        return float("nan")
    fixed, warped = pair.fixed.labels, warp_moving_labels(pair.moving.labels, displacement)
    if (within := pair.limits(METRICS)) is not None:
        fixed, warped = fixed * within, warped * within
    scores = dice_per_label(fixed, warped, moving_labels=pair.moving.labels, labels=tuple(dataset.labels))
    return nan_mean(list(scores))
