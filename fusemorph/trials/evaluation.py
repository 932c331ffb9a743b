"""Evaluation of a method on a split: one row per pair, one per pair and label, a summary, and small slices."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fusemorph.data.dataset import Dataset, Pair, PairIndex
from fusemorph.grid import Mode
from fusemorph.method import Method, PairFailed
from fusemorph.metrics import nan_mean
from fusemorph.metrics.landmarks import Reading
from fusemorph.networks.registration import Registration
from fusemorph.storage import table
from fusemorph.trials.held_gates import dice_with_held_gates
from fusemorph.trials.measures import (
    AS_LEARN2REG,
    METRICS,
    OF_LANDMARKS,
    Row,
    add_segmentation,
    failed_row,
    measure_gates,
    measure_landmarks,
    measure_pair,
)
from fusemorph.trials.slices import archive, best_median_worst, slice_pair
from fusemorph.trials.validation import segmentation_scores
from fusemorph.trials.viewer_slices import view_pair, view_planes

Arrays = dict[str, np.ndarray]
Slices = tuple[Arrays, Row]


def evaluate(
    method: Method, network: nn.Module | None, dataset: Dataset, split: str, *,
    device: torch.device,
    on_pair: Callable[[int, int], None] = lambda done, count: None,
    viewed: bool = True,
    label_warp: Mode = "linear",
    facts: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:  # fmt: skip
    """Register and measure every pair of a split; returns the files of ``eval/SPLIT`` by name.

    ``label_warp``: how moving labels are warped. ``facts`` are added to the summary. If ``viewed``, the median pair is
    registered once more for the viewer's slices. A pair that failed has no metrics but a ``failure``, its reason.
    Networks with gates are measured once more with every gate held at its mean weights (``dice_gates_held``).

    Raises:
        ValueError: the split has no pairs.
        PairFailed: all of them failed.
    """
    indices = dataset.pairs(split)
    if not indices:
        raise ValueError(f"evaluate(): 'split' must hold pairs, {split!r} of {dataset.name} has none")
    measured = _Measured(label_warp=label_warp, tre_reading=dataset.tre_reading)
    for number, index in enumerate(indices):
        measured.register(number, dataset.pair(index), dataset.labels, method, network, device=device)
        on_pair(number + 1, len(indices))
    rows, slices = measured.rows, measured.slices
    if not slices:
        raise PairFailed(f"all {len(rows)} pairs of {split} failed; the first one: {rows[0]['failure']}")
    ranked = best_median_worst([rows[number]["dice"] for number in slices])
    chosen = {rank: list(slices)[at] for rank, at in ranked.items()}
    shown, arrays = picture(rows, slices, chosen)
    held = dice_with_held_gates(method, network, dataset, split, measured.held_rows(), device=device)
    for row in rows:
        row |= {"dice_gates_held": held[row["pair"]]} if row["pair"] in held else {}
    summary = summarise(split, rows, label_warp=label_warp) | {"pictures": shown} | dict(facts or {})
    if measured.landmark_rows:
        summary["tre_reading"] = dataset.tre_reading
    files = {"pairs.csv": table(rows), "pictures.npz": archive(arrays)}
    files |= {"summary.json": (json.dumps(summary, indent=1) + "\n").encode()}
    if viewed:
        pair, others = dataset.pair(indices[chosen["median"]]), measured.views(dataset, indices, chosen["median"])
        files |= _viewer(method, network, pair, others, device=device)
    return files | measured.tables()


@dataclass(kw_only=True)
class _Measured:
    """What has been measured of the pairs so far; ``slices`` by the number of the pair."""

    label_warp: Mode
    tre_reading: Reading
    rows: list[Row] = field(default_factory=list)
    label_rows: list[Row] = field(default_factory=list)
    gate_rows: list[Row] = field(default_factory=list)
    landmark_rows: list[Row] = field(default_factory=list)
    slices: dict[int, Slices] = field(default_factory=dict)
    extremes: dict[str, "_Extreme"] = field(default_factory=dict)

    def register(
        self,
        number: int,
        pair: Pair,
        labels: dict[int, str],
        method: Method,
        network: nn.Module | None,
        *,
        device: torch.device,
    ) -> None:
        """Register and measure a pair; one that fails is a row with its reason."""
        try:
            registration = method.registration(pair, network=network, device=device)
        except PairFailed as failure:
            self.rows.append(failed_row(pair, failure))
        else:
            self.add(number, pair, registration, labels)

    def add(self, number: int, pair: Pair, registration: Registration, labels: dict[int, str]) -> None:
        displacement = registration.displacement.float().cpu()
        row, label_rows = measure_pair(pair, displacement, labels, label_warp=self.label_warp)
        if scores := segmentation_scores(pair, registration, labels):
            add_segmentation(row, label_rows, scores)
        landmark_rows = measure_landmarks(pair, displacement, reading=self.tre_reading)
        row |= {
            name: nan_mean([landmark[name] for landmark in landmark_rows]) for name in OF_LANDMARKS if landmark_rows
        }
        self.rows.append(row)
        self.label_rows.extend(label_rows)
        self.landmark_rows.extend(landmark_rows)
        self.gate_rows.extend(measure_gates(pair, registration))
        self.slices[number] = slice_pair(pair, displacement)
        self._keep(number, row["dice"], displacement)

    def views(self, dataset: Dataset, indices: Sequence[PairIndex], median: int) -> list[Arrays]:
        """Planes of the best and the worst pair for the viewer, unless one of them is the median pair."""
        others = {rank: view for rank, view in self.extremes.items() if view.number != median}
        return [view_planes(dataset.pair(indices[v.number]), v.displacement, rank) for rank, v in others.items()]

    def tables(self) -> dict[str, bytes]:
        """The files of what some pairs alone have."""
        tables = {"labels": self.label_rows, "gates": self.gate_rows, "landmarks": self.landmark_rows}
        return {f"{name}.csv": table(rows) for name, rows in tables.items() if rows}

    def held_rows(self) -> list[Row]:
        """The rows of gates that are to be held at their means: none where labels are not warped as is done there."""
        return self.gate_rows if self.label_warp == "linear" else []

    def _keep(self, number: int, dice: float, displacement: Tensor) -> None:
        """Keep the fields of the best and the worst pair so far, as ``best_median_worst`` ranks them."""
        extreme = _Extreme(number=number, score=-math.inf if math.isnan(dice) else dice, displacement=displacement)
        if "best" not in self.extremes or extreme.score >= self.extremes["best"].score:
            self.extremes["best"] = extreme
        if "worst" not in self.extremes or extreme.score < self.extremes["worst"].score:
            self.extremes["worst"] = extreme


@dataclass(kw_only=True)
class _Extreme:
    """The number of a pair, its score and its displacement."""

    number: int
    score: float
    displacement: Tensor


def _viewer(
    method: Method, network: nn.Module | None, pair: Pair, others: Sequence[Arrays], *, device: torch.device
) -> dict[str, bytes]:
    """The file of the viewer's slices; none where the pair, near a time limit, fails this time."""
    with suppress(PairFailed):
        registration = method.registration(pair, network=network, device=device)
        view = view_pair(pair, registration)
        view |= view_planes(pair, registration.displacement.float().cpu(), "median", without=int(view["axis"]))
        return {"viewer.npz": archive({name: array for arrays in (view, *others) for name, array in arrays.items()})}
    return {}


def picture(
    rows: Sequence[Row], slices: Mapping[int, Slices], chosen: Mapping[str, int]
) -> tuple[Row, dict[str, np.ndarray]]:
    """What the summary says of the pairs chosen by rank, and their slices, named after the rank."""
    shown = {
        rank: {"pair": rows[i]["pair"], "dice": _none_if_nan(rows[i]["dice"]), **slices[i][1]}
        for rank, i in chosen.items()
    }
    return shown, {f"{rank}_{name}": array for rank, i in chosen.items() for name, array in slices[i][0].items()}


def summarise(split: str, rows: Sequence[Row], *, label_warp: Mode = "linear") -> Row:
    """Means over pairs, and the median and 0.3-quantile of Dice; None where a metric is not known."""
    dice = np.array([row["dice"] for row in rows], dtype=float)
    summary: Row = {"split": split, "pairs": len(rows), "blocks": len({row["block"] for row in rows})}
    summary |= {
        "label_warp": label_warp,
        **{name: _none_if_nan(nan_mean([row[name] for row in rows])) for name in METRICS},
    }
    finite = dice[np.isfinite(dice)]
    summary["dice"] = {"mean": nan_mean(list(finite)), "median": quantile(finite, 0.5), "dice30": quantile(finite, 0.3)}
    summary["dice"] = {name: _none_if_nan(value) for name, value in summary["dice"].items()}
    if held := [row["dice_gates_held"] for row in rows if "dice_gates_held" in row]:
        summary["dice_gates_held"] = _none_if_nan(nan_mean(held))
    summary |= {
        name: _none_if_nan(nan_mean([row[name] for row in rows if name in row]))
        for name in (*OF_LANDMARKS, *AS_LEARN2REG)
        if any(name in row for row in rows)
    }
    if segmented := [row["segmentation_dice"] for row in rows if "segmentation_dice" in row]:
        summary["segmentation_dice"] = _none_if_nan(nan_mean(segmented))
    failed = sum("failure" in row for row in rows)
    return summary | ({"failed_pairs": failed} if failed else {})


def quantile(values: np.ndarray, share: float) -> float:
    """Quantile of the values; NaN where there are none."""
    return float(np.quantile(values, share)) if values.size else math.nan


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
