"""What a trained network scores with every gate held at its mean weights: do its gates choose, or only average?"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from fusemorph.data.dataset import Dataset
from fusemorph.method import Method
from fusemorph.trials.validation import pair_dice

Row = dict[str, Any]


@runtime_checkable
class HoldsGates(Protocol):
    """A network whose gates can be given constant weights."""

    def hold_gates(self, weights: Mapping[int, Mapping[str, float]]) -> None:
        """Use these weights, by stage and candidate, in place of predicted ones; none of them sets the gates free."""


def dice_with_held_gates(
    method: Method,
    network: nn.Module | None,
    dataset: Dataset,
    split: str,
    gate_rows: Sequence[Row],
    *,
    device: torch.device,
) -> dict[str, float]:
    """Dice of each pair, by its name, when each gate has its mean weights over the pairs; none without gates.

    ``gate_rows``: the mean weights of each gate for each pair. Results that go on from a network's, as in instance
    optimisation, are not measured.
    """
    if not gate_rows or not isinstance(network, HoldsGates) or method.trained_as != method:
        return {}
    network.hold_gates(mean_weights(gate_rows))
    try:
        by_pair = {}
        for index in dataset.pairs(split):
            pair = dataset.pair(index)
            displacement = method.register(pair, network=network, device=device).float().cpu()
            by_pair[pair.name] = pair_dice(pair, displacement, dataset)
        return by_pair
    finally:
        network.hold_gates({})


def mean_weights(gate_rows: Sequence[Row]) -> dict[int, dict[str, float]]:
    """Mean weight of each candidate over the rows of a stage."""
    stages = sorted({int(row["stage"]) for row in gate_rows})
    ending = "_weight"
    return {
        stage: {
            column.removesuffix(ending): float(np.mean([row[column] for row in rows]))
            for column in rows[0]
            if column.endswith(ending)
        }
        for stage in stages
        for rows in [[row for row in gate_rows if row["stage"] == stage]]
    }
