"""What labels are worth: scores of each strategy by the number of labelled training subjects, and what is gained."""

from collections.abc import Iterator
from math import nan

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.statistics.blocks import Blocks
from reports.statistics.intervals import Interval

SEGMENTATION = "segmentation_dice"
NONE = Interval(estimate=nan)
COLUMNS = (
    "arm", "strategy", "labelled", "value", "low", "high", "segmentation", "segmentation_low", "segmentation_high",
    "sd_log_jacobian", "gain", "gain_low", "gain_high", "seeds",
)  # fmt: skip


def unsupervised_arm(comparison: Comparison) -> str | None:
    """The arm whose training saw no labels: the baseline where it is one, else the first."""
    arms = comparison.evaluated
    without = list(arms["arm"][arms["labelled"] == 0])
    return comparison.baseline if comparison.baseline in without else next(iter(without), None)


def label_curve(comparison: Comparison) -> pd.DataFrame:
    """A row for each evaluated arm with a number of labelled subjects: the primary metric and segmentation Dice with
    their intervals over blocks and seeds, and the gain over the arm without labels; no rows in other studies."""
    return pd.DataFrame(list(_rows(comparison)), columns=list(COLUMNS))


def _rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    arms = comparison.evaluated
    arms = arms[arms["labelled"].notna()]
    if arms.empty:
        return
    pairs, base = comparison.records.pairs, unsupervised_arm(comparison)
    scores, segmented = Blocks(pairs, comparison.metric.name), Blocks(pairs, SEGMENTATION)
    for row in arms[["arm", "strategy", "labelled", "sd_log_jacobian", "seeds"]].to_dict("records"):
        arm = str(row["arm"])
        segments = bool(pairs[SEGMENTATION][pairs["arm"] == arm].notna().any())
        compared = base is not None and base != arm
        gain = scores.difference(arm, str(base), first_trained=True, second_trained=True) if compared else NONE
        of_labels = segmented.mean(arm, trained=True) if segments else NONE
        rest = {"labelled": int(row["labelled"]), "seeds": row["seeds"], "sd_log_jacobian": row["sd_log_jacobian"]}
        yield (
            {"arm": arm, "strategy": row["strategy"], **rest}
            | _ends(scores.mean(arm, trained=True), "value", "")
            | _ends(of_labels, "segmentation", "segmentation_")
            | _ends(gain, "gain", "gain_")
        )


def _ends(interval: Interval, name: str, prefix: str) -> dict[str, float]:
    return {name: interval.estimate, f"{prefix}low": interval.low, f"{prefix}high": interval.high}


def worth_of_labels(comparison: Comparison, curve: pd.DataFrame) -> list[str]:
    """A sentence for each number of labelled subjects: what its best strategy gains over training without labels."""
    metric, base, sentences = comparison.metric, unsupervised_arm(comparison), []
    # What does not deform, a segmentation network by itself, is no strategy of registration.
    gained = curve[(curve["labelled"] > 0) & curve["gain"].notna() & (curve["sd_log_jacobian"] > 0)]
    gained = gained.sort_values(["labelled", "value"], ascending=[True, not metric.higher_is_better], kind="stable")
    for best in gained.drop_duplicates("labelled").to_dict("records"):
        low, high = best["gain_low"], best["gain_high"]
        interval = "no interval is known"
        if low == low:
            interval = f"95 % interval {metric.between(low, high, signed=True)}"
            interval += "" if low > 0 or high < 0 else ", which does not exclude 0"
        sentences.append(
            f"{best['labelled']} labelled subjects are worth {metric.number(best['gain'], signed=True)} {metric.title} "
            f"over “{base}” with the best strategy, {best['strategy']} ({interval}), at an SD of the log determinant "
            f"of {best['sd_log_jacobian']:.2f}."
        )
    return sentences
