"""Strategies by the number of labelled subjects, as a table."""

from collections.abc import Callable

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.analysis.label_curve import label_curve, unsupervised_arm, worth_of_labels
from reports.records.metric import DICE
from reports.tables.table import Table, caption
from reports.wording import number


def labels(comparison: Comparison) -> Table:
    """A row for each strategy and number of labelled subjects; registration and segmentation apart."""
    curve, metric = label_curve(comparison), comparison.metric
    numbers = curve.sort_values(["labelled", "value"], ascending=[True, not metric.higher_is_better], kind="stable")
    shown = pd.DataFrame(
        {
            "Arm": numbers["strategy"],
            "Labelled subjects": numbers["labelled"].astype(str),
            metric.label: [metric.number(value) for value in numbers["value"]],
            "95 % interval": _between(numbers, "low", "high", metric.between),
            "Gain over no labels (95 % interval)": [
                "" if pd.isna(gain) else f"{metric.number(gain, signed=True)} ({interval or 'not known'})"
                for gain, interval in zip(
                    numbers["gain"],
                    _between(numbers, "gain_low", "gain_high", lambda a, b: metric.between(a, b, signed=True)),
                    strict=True,
                )
            ],
            "SD log J": [number(value) for value in numbers["sd_log_jacobian"]],
            "Segmentation Dice": ["" if pd.isna(value) else number(value) for value in numbers["segmentation"]],
            "Its 95 % interval": _between(numbers, "segmentation_low", "segmentation_high", DICE.between),
        }
    )
    text = (
        "The labelled subjects are nested and the same for every arm. Registration is judged by warped labels, "
        "segmentation by the predicted labels of both images of a pair. Intervals are over blocks and seeds; gains are "
        f"over “{unsupervised_arm(comparison)}”."
    )
    if sentences := worth_of_labels(comparison, curve):
        text = f"{' '.join(sentences)} {text}"
    if numbers.empty:
        text = "No arm of this study has a number of labelled subjects."
    return Table(title="What labels are worth", caption=caption(text, comparison.records), numbers=numbers, shown=shown)


def _between(numbers: pd.DataFrame, low: str, high: str, words: Callable[[float, float], str]) -> list[str]:
    return [
        "" if pd.isna(lowest) or pd.isna(highest) else words(lowest, highest)
        for lowest, highest in zip(numbers[low], numbers[high], strict=True)
    ]
