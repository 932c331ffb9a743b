"""Evaluation of a method on a split: one row per pair, one per pair and label, a summary, and small slices."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.data.dataset import Dataset, Pair
from fusemorph.fusion.operators.gate import describe_weights
from fusemorph.method import Method, PairFailed
from fusemorph.metrics import (
    dice_per_label,
    endpoint_error_mm,
    folding_fraction,
    nan_mean,
    ndv_fraction,
    sd_log_jacobian,
    sdlogj_l2r,
    surface_distances,
)
from fusemorph.networks.registration import Registration
from fusemorph.storage import table
from fusemorph.trials.held_gates import dice_with_held_gates
from fusemorph.trials.slices import archive, best_median_worst, slice_pair
from fusemorph.trials.validation import segmentation_scores
from fusemorph.trials.viewer_slices import view_pair, view_planes
from fusemorph.warp import warp_moving_labels

Row = dict[str, Any]
Arrays = dict[str, np.ndarray]
Slices = tuple[Arrays, Row]
PER_LABEL = ("dice", "hd95_mm", "assd_mm", "hd95_vox")
METRICS = (*PER_LABEL, "folding_fraction", "ndv_fraction", "sd_log_jacobian", "sdlogj_l2r", "endpoint_error_mm")


def evaluate(
    method: Method,
    network: nn.Module | None,
    dataset: Dataset,
    split: str,
    *,
    device: torch.device,
    on_pair: Callable[[int, int], None] = lambda done, count: None,
    viewed: bool = True,
) -> dict[str, bytes]:
    """Register and measure every pair of a split; returns the files of ``eval/SPLIT`` by name.

    Where it is ``viewed``, the median pair is registered once more for the slices of the report's viewer. A pair that
    failed has no metrics but a ``failure``, its reason. Networks with gates are measured once more with every gate held
    at its mean weights (``dice_gates_held``).

    Raises:
        ValueError: the split has no pairs.
        PairFailed: all of them failed.
    """
    indices = dataset.pairs(split)
    if not indices:
        raise ValueError(f"evaluate(): 'split' must hold pairs, {split!r} of {dataset.name} has none")
    measured = _Measured()
    for number, index in enumerate(indices):
        measured.register(number, dataset.pair(index), dataset.labels, method, network, device=device)
        on_pair(number + 1, len(indices))
    rows, slices = measured.rows, measured.slices
    if not slices:
        raise PairFailed(f"all {len(rows)} pairs of {split} failed; the first one: {rows[0]['failure']}")
    ranked = best_median_worst([rows[number]["dice"] for number in slices])
    chosen = {rank: list(slices)[at] for rank, at in ranked.items()}
    shown, arrays = picture(rows, slices, chosen)
    held = dice_with_held_gates(method, network, dataset, split, measured.gate_rows, device=device)
    for row in rows:
        row |= {"dice_gates_held": held[row["pair"]]} if row["pair"] in held else {}
    summary = json.dumps(summarise(split, rows) | {"pictures": shown}, indent=1) + "\n"
    files = {"pairs.csv": table(rows), "pictures.npz": archive(arrays), "summary.json": summary.encode()}
    if viewed:
        median = chosen["median"]
        others = {rank: view for rank, view in measured.extremes.items() if view.number != median}
        views = [view_planes(dataset.pair(indices[v.number]), v.displacement, rank) for rank, v in others.items()]
        files |= _viewer(method, network, dataset.pair(indices[median]), views, device=device)
    tables = {"labels.csv": measured.label_rows, "gates.csv": measured.gate_rows}
    return files | {name: table(entries) for name, entries in tables.items() if entries}


@dataclass(kw_only=True)
class _Measured:
    """What has been measured of the pairs so far; ``slices`` by the number of the pair."""

    rows: list[Row] = field(default_factory=list)
    label_rows: list[Row] = field(default_factory=list)
    gate_rows: list[Row] = field(default_factory=list)
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
        row, label_rows = measure_pair(pair, displacement, labels)
        if scores := segmentation_scores(pair, registration, labels):
            add_segmentation(row, label_rows, scores)
        self.rows.append(row)
        self.label_rows.extend(label_rows)
        self.gate_rows.extend(measure_gates(pair, registration))
        self.slices[number] = slice_pair(pair, displacement)
        self._keep(number, row["dice"], displacement)

    def _keep(self, number: int, dice: float, displacement: Tensor) -> None:
        """Keep the fields of the best and the worst pair so far, as ``best_median_worst`` ranks them."""
        own = _Extreme(number=number, score=-math.inf if math.isnan(dice) else dice, displacement=displacement)
        if "best" not in self.extremes or own.score >= self.extremes["best"].score:
            self.extremes["best"] = own
        if "worst" not in self.extremes or own.score < self.extremes["worst"].score:
            self.extremes["worst"] = own


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
        return {"viewer.npz": archive({name: array for own in (view, *others) for name, array in own.items()})}
    return {}


def picture(
    rows: Sequence[Row], slices: Mapping[int, Slices], chosen: Mapping[str, int]
) -> tuple[Row, dict[str, np.ndarray]]:
    """What the summary says of the pairs chosen by rank, and their slices, named after the rank."""
    shown = {
        rank: {"pair": rows[i]["pair"], "dice": _known(rows[i]["dice"]), **slices[i][1]} for rank, i in chosen.items()
    }
    return shown, {f"{rank}_{name}": array for rank, i in chosen.items() for name, array in slices[i][0].items()}


def measure_gates(pair: Pair, registration: Registration) -> list[Row]:
    """What each gate did with the pair, as ``describe_weights`` says it; none without gates."""
    return [
        {"pair": pair.name, "stage": stage} | describe_weights(weights)
        for stage, weights in sorted(registration.gates.items())
    ]


def measure_pair(pair: Pair, displacement: Float[Tensor, "1 d *s"], labels: dict[int, str]) -> tuple[Row, list[Row]]:
    """All metrics of one registered pair: its row, and one row per label."""
    mask = torch.from_numpy(np.array(pair.foreground))
    row = name_pair(pair)
    per_label = measure_labels(pair, displacement, labels)
    row |= {name: nan_mean([entry[name] for entry in per_label]) for name in PER_LABEL}
    row |= {
        "folding_fraction": folding_fraction(displacement, mask=mask),
        "ndv_fraction": ndv_fraction(displacement, mask=mask),
        "sd_log_jacobian": sd_log_jacobian(displacement, mask=mask),
        "sdlogj_l2r": sdlogj_l2r(displacement),
        "endpoint_error_mm": math.nan,
    }
    if pair.displacement is not None:
        truth = torch.tensor(pair.displacement)[None]
        row["endpoint_error_mm"] = endpoint_error_mm(displacement, truth, spacing_mm=pair.fixed.spacing_mm, mask=mask)
    return row, per_label


def add_segmentation(row: Row, label_rows: list[Row], scores: Sequence[np.ndarray]) -> None:
    """Add ``segmentation_dice``: of each label the mean over both images, of the pair that over labels."""
    of_label = [nan_mean([own[at] for own in scores]) for at in range(len(scores[0]))]
    row["segmentation_dice"] = nan_mean([nan_mean(list(own)) for own in scores])
    for own, value in zip(label_rows, of_label, strict=True):
        own["segmentation_dice"] = value


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


def measure_labels(pair: Pair, displacement: Float[Tensor, "1 d *s"], labels: dict[int, str]) -> list[Row]:
    """Overlap and surface distances of each label; none where a scan has no labels."""
    if pair.fixed.labels is None or pair.moving.labels is None:
        return []
    fixed, moving = pair.fixed.labels, pair.moving.labels
    warped = warp_moving_labels(moving, displacement)
    values = tuple(labels)
    measures = {"dice": dice_per_label(fixed, warped, moving_labels=moving, labels=values)}
    measures |= surface_distances(fixed, warped, moving_labels=moving, labels=values, spacing_mm=pair.fixed.spacing_mm)
    return [
        {"pair": pair.name, "label": value, "name": labels[value]} | {m: float(measures[m][i]) for m in PER_LABEL}
        for i, value in enumerate(values)
    ]


def summarise(split: str, rows: Sequence[Row]) -> Row:
    """Means over pairs, and the median and 0.3-quantile of Dice; None where a metric is not known."""
    dice = np.array([row["dice"] for row in rows], dtype=float)
    summary: Row = {"split": split, "pairs": len(rows), "blocks": len({row["block"] for row in rows})}
    summary |= {"label_warp": "linear", **{name: _known(nan_mean([row[name] for row in rows])) for name in METRICS}}
    finite = dice[np.isfinite(dice)]
    summary["dice"] = {"mean": nan_mean(list(finite)), "median": quantile(finite, 0.5), "dice30": quantile(finite, 0.3)}
    summary["dice"] = {name: _known(value) for name, value in summary["dice"].items()}
    if held := [row["dice_gates_held"] for row in rows if "dice_gates_held" in row]:
        summary["dice_gates_held"] = _known(nan_mean(held))
    if segmented := [row["segmentation_dice"] for row in rows if "segmentation_dice" in row]:
        summary["segmentation_dice"] = _known(nan_mean(segmented))
    failed = sum("failure" in row for row in rows)
    return summary | ({"failed_pairs": failed} if failed else {})


def quantile(values: np.ndarray, share: float) -> float:
    """Quantile of the values; NaN where there are none."""
    return float(np.quantile(values, share)) if values.size else math.nan


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
