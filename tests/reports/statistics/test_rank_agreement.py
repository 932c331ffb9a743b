"""Agreement of rankings: scipy's values, the limits of each statistic, and intervals that cover."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.rank_agreement import (
    first_regret,
    kendall,
    on_other_seeds,
    precision_at,
    seed_ceiling,
    seed_noise,
    sparse_kendall,
    spearman,
    with_interval,
)

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=40).round(1)
ESTIMATES = SCORES + RNG.normal(size=40)


def test_correlations_are_those_of_scipy_ties_included() -> None:
    assert kendall(ESTIMATES, SCORES) == pytest.approx(stats.kendalltau(ESTIMATES, SCORES).statistic)
    assert spearman(ESTIMATES, SCORES) == pytest.approx(stats.spearmanr(ESTIMATES, SCORES).statistic)
    rounded = stats.kendalltau(ESTIMATES, np.round(SCORES / 0.7)).statistic
    assert sparse_kendall(ESTIMATES, SCORES, noise=0.7) == pytest.approx(rounded)


def test_what_cannot_be_ranked_has_no_correlation() -> None:
    assert np.isnan(kendall([1, 2], [1, 2]))
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert np.isnan(precision_at([1, 2], [1, 2], k=3))
    with pytest.raises(ValueError, match="'scores' must be finite"):
        kendall([1, 2, 3], [1, 2, np.nan])
    with pytest.raises(ValueError, match="must be of the same plans"):
        kendall([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="'noise' must be above 0"):
        sparse_kendall([1, 2, 3], [1, 2, 3], noise=0)


def test_an_estimate_that_is_not_finite_is_last() -> None:
    assert kendall([np.nan, 2, 3], [1, 2, 3]) == 1
    assert kendall([np.inf, 2, 3], [1, 2, 3]) == 1


def test_precision_and_regret_of_the_first() -> None:
    assert precision_at([4, 3, 2, 1], [4, 1, 3, 2], k=2) == 0.5
    assert first_regret([4, 3, 2, 1], [0.5, 0.9, 0.1, 0.2]) == pytest.approx(0.4)
    assert first_regret([4, 4, 2, 1], [0.5, 0.9, 0.1, 0.2]) == pytest.approx(0.2)


def test_the_ceiling_and_the_noise_of_seeds() -> None:
    seeds = SCORES[:, None] + RNG.normal(0, 0.5, size=(40, 3))
    pairs = [kendall(seeds[:, i], seeds[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert seed_ceiling(seeds) == pytest.approx(np.mean(pairs))
    assert on_other_seeds(kendall)(seeds[:, :2], seeds[:, :2]) == pytest.approx(pairs[0])
    assert seed_noise(seeds) == pytest.approx(np.sqrt(np.mean(np.var(seeds, axis=1, ddof=1))))
    one = seeds[:, :1]
    assert all(np.isnan(value) for value in (seed_ceiling(one), seed_noise(one), on_other_seeds(kendall)(one, one)))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth, covered = 2 / np.pi * np.arcsin(0.6), 0
    for seed in range(60):
        pairs = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=50)
        found = with_interval(kendall, pairs[:, 0], pairs[:, 1], resamples=120, seed=seed)
        assert found.low <= found.value <= found.high
        covered += found.low <= truth <= found.high
    assert covered >= 50
