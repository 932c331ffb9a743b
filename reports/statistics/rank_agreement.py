"""How well cheap estimates rank plans: agreement with trained scores, with intervals, and its ceiling. Larger is better
in estimates and scores alike."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from reports.statistics.correlation import FEWEST_FOR_RANKS

Values = NDArray[np.float64]
Statistic = Callable[[Values, Values], float]
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic and its 95 % interval from a bootstrap over plans; NaN where it cannot be given."""

    value: float
    low: float = nan
    high: float = nan


def kendall(estimates: ArrayLike, scores: ArrayLike) -> float:
    """Kendall's tau-b; NaN for fewer than three plans, or where all of one side are equal."""
    return _correlation(lambda a, b: float(stats.kendalltau(a, b).statistic), *_both(estimates, scores))


def spearman(estimates: ArrayLike, scores: ArrayLike) -> float:
    """Spearman's rho; NaN for fewer than three plans, or where all of one side are equal."""
    return _correlation(lambda a, b: float(stats.spearmanr(a, b).statistic), *_both(estimates, scores))


def sparse_kendall(estimates: ArrayLike, scores: ArrayLike, *, noise: float) -> float:
    """Kendall's tau-b after scores are rounded to multiples of ``noise``: plans that differ by less are ties.

    Source: Yu et al. 2020, "Evaluating the search phase of neural architecture search", ICLR.

    Raises:
        ValueError: ``noise`` is not above 0.
    """
    if not noise > 0:
        raise ValueError(f"sparse_kendall(): 'noise' must be above 0, got {noise}")
    return kendall(estimates, np.round(np.asarray(scores, dtype=np.float64) / noise))


def precision_at(estimates: ArrayLike, scores: ArrayLike, *, k: int) -> float:
    """The share of the ``k`` plans of the best estimates that are among the ``k`` of the best scores.

    Among equal ones the first in order counts as better. NaN where there are fewer than ``k`` plans.
    """
    first, second = _both(estimates, scores)
    if len(first) < k:
        return nan
    tops = [set(np.argsort(-values, kind="stable")[:k].tolist()) for values in (first, second)]
    return len(tops[0] & tops[1]) / k


def first_regret(estimates: ArrayLike, scores: ArrayLike) -> float:
    """How far the score of the plan of the best estimate is below the best score; the mean where several are first."""
    first, second = _both(estimates, scores)
    return float(second.max() - second[first == first.max()].mean()) if len(first) else nan


def seed_ceiling(scores: ArrayLike, statistic: Statistic = kendall) -> float:
    """The agreement of two seeds, ``scores (plans, seeds)``: the mean over pairs of seeds; NaN for one seed.

    No estimate can be expected to rank the trainings of one seed better than those of another seed do.
    """
    table = np.asarray(scores, dtype=np.float64)
    pairs = [statistic(table[:, i], table[:, j]) for i, j in combinations(range(table.shape[1]), 2)]
    return float(np.mean(pairs)) if pairs else nan


def seed_noise(scores: ArrayLike) -> float:
    """Standard deviation between seeds of one plan, pooled over plans, ``scores (plans, seeds)``; NaN for one seed."""
    table = np.asarray(scores, dtype=np.float64)
    return float(np.sqrt(table.var(axis=1, ddof=1).mean())) if table.shape[1] > 1 else nan


def on_other_seeds(statistic: Statistic) -> Statistic:
    """The statistic of estimates and scores ``(plans, seeds)``: the mean over seeds of what the estimates of one seed
    say of the mean score of the others, so that no training is compared with itself. NaN for one seed."""

    def over_seeds(estimates: Values, scores: Values) -> float:
        count = scores.shape[1]
        others = [np.delete(scores, i, axis=1).mean(axis=1) for i in range(count)] if count > 1 else []
        values = [statistic(estimates[:, i], other) for i, other in enumerate(others)]
        return float(np.mean(values)) if values else nan

    return over_seeds


def with_interval(
    statistic: Statistic, estimates: ArrayLike, scores: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """A statistic with the 2.5 % and 97.5 % quantiles of a bootstrap over plans, the first axis of both.

    Raises:
        ValueError: they are not of the same plans.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (estimates, scores))
    if len(first) != len(second):
        raise ValueError(f"with_interval(): both must be of the same plans, got {len(first)} and {len(second)}")
    value = statistic(first, second)
    if np.isnan(value):
        return Estimate(value=value)
    rng, count = np.random.default_rng(seed), len(first)
    drawn = [statistic(first[chosen], second[chosen]) for chosen in rng.integers(count, size=(resamples, count))]
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if not np.isnan(drawn).all() else (nan, nan)
    return Estimate(value=value, low=float(low), high=float(high))


def _both(estimates: ArrayLike, scores: ArrayLike) -> tuple[Values, Values]:
    """Both as numbers; what is not finite among the estimates is ranked last.

    Raises:
        ValueError: they are not of the same plans, or a score is not finite.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (estimates, scores))
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"rank agreement: 'estimates' and 'scores' must be of the same plans, got {first.shape} and {second.shape}"
        )
    if not np.isfinite(second).all():
        raise ValueError("rank agreement: 'scores' must be finite")
    return np.where(np.isfinite(first), first, -np.inf), second


def _correlation(statistic: Statistic, first: Values, second: Values) -> float:
    if len(first) < FEWEST_FOR_RANKS or len(set(first)) < 2 or len(set(second)) < 2:
        return nan
    return statistic(stats.rankdata(first), second)
