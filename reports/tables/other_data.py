"""What arms score on the data that they were trained on, and on others, side by side."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.metric import Metric
from reports.records.other_data import OtherData
from reports.statistics.blocks import Blocks
from reports.tables.table import Table, caption
from reports.wording import listing

ENDS = ("blocks", "low", "high")
TRAINED_ON = "Trained on"
PREPROCESSING = ("align", "percentiles")
"""The settings of a data set that say how its images are made ready, beside shape and spacing."""


def other_data(comparison: Comparison) -> Table:
    """Every arm with what it was trained on: its mean on that data set, and on each of the others."""
    records, metric, arms = comparison.records, comparison.metric, comparison.arms
    trained_on = str(records.dataset.get("name") or "not named")
    numbers = arms[["arm", "group"]].assign(trained_on=[trained_on if trained else "" for trained in arms["trained"]])
    in_distribution = f"{metric.title}, {trained_on} {records.split} (in distribution)"
    shown = pd.DataFrame({"Arm": arms["arm"], TRAINED_ON: numbers["trained_on"].replace("", "untrained")})
    shown[in_distribution] = [
        _cell(metric, *(row[f"{metric.name}_{end}"] for end in ENDS), limit=row["limit"])
        if row["seeds"]
        else "no result"
        for _, row in arms.iterrows()
    ]
    for end in ENDS:
        numbers[f"in_distribution_{end}"] = arms[f"{metric.name}_{end}"]
    for other in records.others:
        means = _means(other, arms, metric)
        shown[f"{metric.title}, {other.name} {other.split} (out of distribution)"] = list(means["shown"])
        for end in ENDS:
            numbers[f"{other.folder}_{end}"] = list(means[end])
    return Table(title="On other data sets", caption=caption(_text(comparison), records), numbers=numbers, shown=shown)


def _means(other: OtherData, arms: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Mean over blocks and seeds of each arm on another data set, with the interval."""
    measured = len(other.pairs) > 0 and bool(other.pairs[metric.name].notna().any())
    blocks = Blocks(other.pairs, metric.name) if measured else None
    nothing = {"blocks": float("nan"), "low": float("nan"), "high": float("nan"), "shown": "no result"}
    rows = []
    for arm, trained in zip(arms["arm"], arms["trained"], strict=True):
        if blocks is None or not blocks.of_seeds(arm).size:
            rows.append(nothing)
            continue
        mean = blocks.mean(arm, trained=bool(trained))
        cell = _cell(metric, mean.estimate, mean.low, mean.high, limit=mean.limit)
        rows.append({"blocks": mean.estimate, "low": mean.low, "high": mean.high, "shown": cell})
    return pd.DataFrame(rows)


def _cell(metric: Metric, mean: float, low: float, high: float, *, limit: str) -> str:
    """A mean with its interval; one seed says nothing of how trainings vary, which a dagger marks."""
    between = metric.between(low, high)
    dagger = " †" if limit == "one seed" and not between.startswith("not") else ""
    return f"{metric.number(mean)} ({between}){dagger}"


def _text(comparison: Comparison) -> str:
    records, metric = comparison.records, comparison.metric
    text = (
        f"Mean {metric.label} over blocks and seeds, and its 95 % interval. In distribution: subjects of the data set "
        "that was trained on, in another split. Out of distribution: data sets that training has not seen"
    )
    daggers = comparison.evaluated["trained"] & (comparison.evaluated["seeds"] == 1)
    text += "; † over blocks alone, conditional on one trained network" if daggers.any() else ""
    chosen_on = records.definition.get("selection_split")
    if any(other.folder == chosen_on for other in records.others):
        text += f"; but choices were made on {chosen_on}"
    return f"{text}. {_preprocessing(records.dataset, records.others)}"


def _preprocessing(trained_on: dict[str, object], others: tuple[OtherData, ...]) -> str:
    """Whether images were made ready alike, as far as the data sets' settings tell."""
    grids = _differing_grids(dict(trained_on), others)
    unlike = {name: [f"{theirs}, in training {trained}"] for name, (theirs, trained) in grids.items()}
    for other in others:
        settings = ((name, other.dataset.get(name), trained_on.get(name)) for name in PREPROCESSING)
        differing = [
            f"{name} {_setting_text(theirs)}, in training {_setting_text(ours)}"
            for name, theirs, ours in settings
            if theirs != ours
        ]
        if differing:
            unlike[other.name] = [*unlike.get(other.name, []), *differing]
    alike = [other.name for other in others if other.name not in unlike]
    sentences = [f"Preprocessing equal to that of the training data: {listing(alike)}."] if alike else []
    sentences += [f"Preprocessed differently: {name} ({'; '.join(how)})." for name, how in unlike.items()]
    return " ".join(dict.fromkeys(sentences))


def _setting_text(value: object) -> str:
    if value is None:
        return "not set"
    return " to ".join(map(str, value)) if isinstance(value, list) else str(value)


def _differing_grids(trained_on: dict[str, Any], others: Sequence[OtherData]) -> dict[str, tuple[str, str]]:
    """Of each other data set whose images lie on another grid than those trained on: its grid and theirs, in words."""
    training_grid = _grid(trained_on)
    return {
        other.name: (_grid(other.dataset), training_grid) for other in others if _grid(other.dataset) != training_grid
    }


def _grid(dataset: dict[str, Any]) -> str:
    shape, spacing = (dataset.get(name) for name in ("shape", "spacing_mm"))
    if not isinstance(shape, list) or not isinstance(spacing, list):
        return "a grid that is not recorded"
    return " voxels at ".join("x".join(map(_shortly, values)) for values in (shape, spacing)) + " mm"


def _shortly(side: Any) -> str:
    return f"{side:.4g}" if isinstance(side, int | float) else "?"
