"""How well estimates rank plans as training them alone does: as text, and as a file for further statistics."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from experiments.runner.progress import clock
from fusemorph.records import FORMAT
from fusemorph.storage import write_json
from nas.estimates import FOLDER, ranking_value
from reports.tables.terminal import aligned

RESAMPLES = 1000
FEWEST = 5
"""Plans below which no correlation is given."""
SAME_SEED = "stopped early and trained once: one seed, against the mean of the others; the last is the ceiling"
Values = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """What tells plans apart before they are trained to the end: its ``scores`` by plan, and the ``seconds`` it took.

    ``seed``: of the trainings that it has looked at itself, if it has; they are no part of what it is compared with.
    """

    name: str
    scores: Mapping[str, float]
    seconds: float
    seed: int | None = None


def ranking_text(
    estimators: Sequence[Estimator], *, alone: Mapping[str, Mapping[int, float]], runs: Path, name: str
) -> str:
    """The table of rank correlations with val Dice of the plans trained alone, which is ``alone`` by plan and seed.

    The scores themselves are written to ``RUNS/estimates/NAME.json``.
    """
    path = runs / FOLDER / f"{name}.json"
    write_json(path, {"format": FORMAT, "estimators": [_as_json(each) for each in estimators], "alone": dict(alone)})
    if len(alone) < FEWEST:
        return f"{len(alone)} plans trained alone: too few to rank; scores: {path}"
    rows = [["estimate", "Kendall tau", "Spearman rho", "regret of the first", "cost"]]
    rows += [row for each in estimators if (row := _row(each, alone))]
    return "\n".join(
        [
            f"agreement with val Dice of {len(alone)} plans trained alone, 95 % intervals over plans",
            *aligned(rows, right=True), SAME_SEED, f"scores: {path}",
        ]
    )  # fmt: skip


def _row(estimator: Estimator, alone: Mapping[str, Mapping[int, float]]) -> list[str]:
    """The estimator's line; none where there is nothing to compare it with."""
    others = {plan: [v for seed, v in by_seed.items() if seed != estimator.seed] for plan, by_seed in alone.items()}
    means = {plan: float(np.mean(values)) for plan, values in others.items() if values and plan in estimator.scores}
    if len(means) < FEWEST:
        return []
    scores, truth = [ranking_value(estimator.scores[plan]) for plan in means], list(means.values())
    regret = max(truth) - truth[int(np.argmax(scores))]
    numbers = [interval_text(kendall, scores, truth), interval_text(spearman, scores, truth), f"{regret:.4f}"]
    return [estimator.name, *numbers, clock(estimator.seconds)]


def kendall(scores: Values, truth: Values) -> float:
    """Kendall's tau-b; NaN where all scores are equal."""
    return float(stats.kendalltau(scores, truth).statistic) if len(set(scores)) > 1 < len(set(truth)) else math.nan


def spearman(scores: Values, truth: Values) -> float:
    """Spearman's rho; NaN where all scores are equal."""
    if len(set(scores)) < 2 or len(set(truth)) < 2:
        return math.nan
    return float(stats.pearsonr(stats.rankdata(scores), stats.rankdata(truth)).statistic)


def interval_text(statistic: Callable[[Values, Values], float], scores: Values, truth: Values) -> str:
    """The statistic with its percentile bootstrap interval over plans."""
    found = statistic(scores, truth)
    if math.isnan(found):
        return "all are equal"
    pairs, rng = np.array([scores, truth]), np.random.default_rng(0)
    drawn = [statistic(*pairs[:, rng.integers(len(truth), size=len(truth))].tolist()) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{found:.2f} [{low:.2f}, {high:.2f}]"


def _as_json(estimator: Estimator) -> dict[str, object]:
    scores = {plan: value if math.isfinite(value) else str(value) for plan, value in estimator.scores.items()}
    return {"name": estimator.name, "seconds": estimator.seconds, "scores": scores}
