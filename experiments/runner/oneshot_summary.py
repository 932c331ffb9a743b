"""How well estimates rank plans as training them alone does: as text, and as a file for further statistics."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
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
Values = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """What tells plans apart before they are trained: its ``scores`` by plan, and the ``seconds`` that it took."""

    name: str
    scores: Mapping[str, float]
    seconds: float


def ranking_text(
    estimators: Sequence[Estimator], *, alone: Mapping[str, Mapping[int, float]], runs: Path, name: str
) -> str:
    """The table of rank correlations with val Dice of the plans trained alone, which is ``alone`` by plan and seed.

    The scores themselves are written to ``RUNS/estimates/NAME.json``.
    """
    path = runs / FOLDER / f"{name}.json"
    write_json(path, {"format": FORMAT, "estimators": [_as_json(each) for each in estimators], "alone": dict(alone)})
    means = {plan: float(np.mean(list(by_seed.values()))) for plan, by_seed in alone.items()}
    if len(means) < FEWEST:
        return f"{len(means)} plans trained alone: too few to rank; scores: {path}"
    rows = [["estimate", "Kendall tau", "Spearman rho", "regret of the first", "cost"]]
    rows += [_row(each, means) for each in estimators]
    ceiling = _ceiling(alone)
    return "\n".join(
        [
            f"agreement with val Dice of {len(means)} plans trained alone, 95 % intervals over plans",
            *aligned(rows, right=True), *([ceiling] if ceiling else []), f"scores: {path}",
        ]
    )  # fmt: skip


def _row(estimator: Estimator, means: Mapping[str, float]) -> list[str]:
    plans = [plan for plan in means if plan in estimator.scores]
    scores = [ranking_value(estimator.scores[plan]) for plan in plans]
    truth = [means[plan] for plan in plans]
    regret = max(means.values()) - truth[int(np.argmax(scores))]
    numbers = [interval_text(kendall, scores, truth), interval_text(spearman, scores, truth), f"{regret:.4f}"]
    return [estimator.name, *numbers, clock(estimator.seconds)]


def _ceiling(alone: Mapping[str, Mapping[int, float]]) -> str:
    """The agreement of the seeds with each other, beyond which no estimate of one training can rank."""
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in alone.values())))
    taus = [kendall(*([alone[plan][seed] for plan in alone] for seed in pair)) for pair in combinations(seeds, 2)]
    return f"ceiling, one seed against another: Kendall tau {np.mean(taus):.2f}" if taus else ""


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
    pairs, rng = np.array([scores, truth]), np.random.default_rng(0)
    drawn = [statistic(*pairs[:, rng.integers(len(truth), size=len(truth))].tolist()) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (math.nan, math.nan)
    return f"{statistic(scores, truth):.2f} [{low:.2f}, {high:.2f}]"


def _as_json(estimator: Estimator) -> dict[str, object]:
    scores = {plan: value if math.isfinite(value) else str(value) for plan, value in estimator.scores.items()}
    return {"name": estimator.name, "seconds": estimator.seconds, "scores": scores}
