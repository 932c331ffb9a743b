"""Intervals against hand-worked cases and scipy, and how often they name a winner on simulated values."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.intervals import (
    Interval,
    difference_interval,
    holm,
    mean_interval,
    quantile,
    seed_spread,
    subject_sampling,
    verdict,
)


def test_difference_by_hand() -> None:
    # Block differences of the seed means: 0.10, 0.20, 0.30. Seed means: 0.55, 0.65 and 0.35, 0.45.
    first = [[0.45, 0.55, 0.65], [0.55, 0.65, 0.75]]
    second = [[0.35, 0.35, 0.35], [0.45, 0.45, 0.45]]
    interval = difference_interval(first, second)
    block, seed = 0.01 / 3, 0.005 / 2
    variance = block + 2 * seed
    degrees = variance**2 / (block**2 / 2 + 2 * seed**2 / 1)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(variance)
    assert interval.estimate == pytest.approx(0.2)
    assert interval.standard_error == pytest.approx(np.sqrt(variance))
    assert interval.degrees_of_freedom == pytest.approx(degrees)
    assert (interval.low, interval.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert interval.p_value == pytest.approx(2 * stats.t.sf(0.2 / np.sqrt(variance), degrees))
    assert (interval.blocks, interval.seeds, interval.limit) == (3, 2, "2 seeds")


def test_mean_by_hand() -> None:
    interval = mean_interval([[0.6, 0.7], [0.7, 0.8], [0.8, 0.9]])
    block, seed = 0.005 / 2, 0.01 / 3
    assert interval.estimate == pytest.approx(0.75)
    assert interval.standard_error == pytest.approx(np.sqrt(block + seed))
    degrees = (block + seed) ** 2 / (block**2 / 1 + seed**2 / 2)
    assert interval.degrees_of_freedom == pytest.approx(degrees)
    assert interval.limit == ""


def test_untrained_arms_equal_the_paired_t_test(rng: np.random.Generator) -> None:
    first, second = rng.normal(0.7, 0.05, (2, 1, 12))
    interval = difference_interval(first, second, first_trained=False, second_trained=False)
    expected = stats.ttest_rel(first[0], second[0])
    assert interval.p_value == pytest.approx(expected.pvalue)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert interval.degrees_of_freedom == pytest.approx(11)
    assert interval.limit == ""


def test_an_untrained_arm_adds_no_seed_variance(rng: np.random.Generator) -> None:
    trained, identity = rng.normal(0.7, 0.02, (3, 8)), np.full((1, 8), 0.5)
    against = difference_interval(trained, identity, second_trained=False)
    alone = mean_interval(trained)
    assert against.standard_error == pytest.approx(alone.standard_error)
    assert against.degrees_of_freedom == pytest.approx(alone.degrees_of_freedom)


def test_differences_are_antisymmetric(rng: np.random.Generator) -> None:
    first, second = rng.normal(0.7, 0.02, (2, 3, 8))
    there, back = difference_interval(first, second), difference_interval(second, first)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_value == pytest.approx(back.p_value)


def test_one_seed_gives_an_interval_over_blocks_and_no_p_value(rng: np.random.Generator) -> None:
    first, second = rng.normal(0.7, 0.02, (2, 1, 9))
    interval = difference_interval(first, second)
    assert interval.limit == "one seed"
    assert interval.conditional
    assert np.isnan(interval.p_value)
    expected = stats.ttest_rel(first[0], second[0]).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("blocks", "limit"), [(1, "one block"), (0, "no values")])
def test_too_few_blocks_give_no_interval(blocks: int, limit: str) -> None:
    interval = mean_interval(np.full((3, blocks), 0.7))
    assert interval.limit == limit
    assert np.isnan(interval.low)
    assert np.isnan(interval.p_value)
    assert verdict(interval, interval.p_value) == f"no claim: {limit}"


def test_blocks_with_a_missing_seed_are_left_out() -> None:
    values = np.array([[0.6, 0.7, np.nan], [0.7, 0.8, 0.9]])
    assert mean_interval(values) == mean_interval(values[:, :2])


def test_equal_arms_without_variation_say_so() -> None:
    values = np.full((3, 4), 0.7)
    interval = difference_interval(values, values)
    assert interval.limit == "no variation between blocks or seeds"
    assert np.isnan(interval.p_value)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"difference_interval\(\): 'first' and 'second' must share their blocks"):
        difference_interval(np.zeros((3, 4)), np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"mean_interval\(\): 'values' must be \(seeds, blocks\), got shape \(4,\)"):
        mean_interval(np.zeros(4))


def test_holm_by_hand() -> None:
    # 4 p = 0.04; 3 p = 0.06; 2 p = 0.06, kept at 0.06 by the step before; 0.04, raised to 0.06.
    assert holm([0.02, 0.01, np.nan, 0.04, 0.03]) == pytest.approx([0.06, 0.04, np.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.6, 0.9]).max() == 1
    assert holm([]).size == 0


def test_holm_equals_statsmodels_through_posthocs(rng: np.random.Generator) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = rng.uniform(0, 0.2, 11)
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_dice30_and_seed_spread() -> None:
    assert quantile([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, np.nan], 0.3) == pytest.approx(0.37)
    assert np.isnan(quantile([np.nan], 0.3))
    assert seed_spread([0.70, 0.72, 0.74]) == pytest.approx(0.02)
    assert np.isnan(seed_spread([0.7]))


def test_verdict_needs_the_correction() -> None:
    interval = Interval(estimate=-0.02, low=-0.03, high=-0.01, p_value=0.02, blocks=10, seeds=3)
    assert verdict(interval, 0.04) == "lower"
    assert verdict(interval, 0.06) == "no difference shown"
    assert verdict(interval, np.nan) == "no difference shown"


def test_the_jackknife_over_subjects_worked_by_hand() -> None:
    """All pairs of four subjects with values of their own: the mean varies as twice the mean of subjects does."""
    subjects = np.array([1.0, 2.0, 4.0, 9.0])
    fixed, moving = (np.array(ends) for ends in zip(*permutations(range(4), 2), strict=True))
    sampling = subject_sampling(subjects[fixed] + subjects[moving], fixed, moving)
    assert sampling is not None
    assert sampling.subjects == 4
    assert sampling.variance == pytest.approx(4 * subjects.var(ddof=1) / 4)


@pytest.mark.parametrize(
    ("fixed", "moving"), [("abcd", "efgh"), ("aaaa", "bcde"), ("abc", "bca")], ids=["disjoint", "atlas", "three"]
)
def test_the_jackknife_needs_connected_subjects_none_of_them_in_every_pair(fixed: str, moving: str) -> None:
    assert subject_sampling(range(len(fixed)), list(fixed), list(moving)) is None


@pytest.mark.parametrize("people", [4, 8])
def test_connected_pairs_are_rarely_named_without_a_difference(rng: np.random.Generator, people: int) -> None:
    """Every person with every other, whose common effect differs between the arms, and training seeds that vary."""
    fixed, moving = (np.array(ends) for ends in zip(*permutations(range(people), 2), strict=True))
    intervals = []
    for _ in range(200):
        person = rng.normal(0, 0.01, people)
        seeds = rng.normal(0, 0.004, (2, SEEDS, 1))
        noise = rng.normal(0, 0.005, (2, SEEDS, len(fixed)))
        first, second = seeds + noise + np.stack([person[fixed] + person[moving], 0 * person[fixed]])[:, None]
        sampling = subject_sampling(first.mean(axis=0) - second.mean(axis=0), fixed, moving)
        means = (scores.mean(axis=1, keepdims=True) for scores in (first, second))
        intervals.append(difference_interval(*means, sampling=sampling))
    assert {interval.subjects for interval in intervals} == {people}
    assert np.mean([interval.low <= 0 <= interval.high for interval in intervals]) >= 0.93


BLOCKS, SEEDS = 10, 3


def simulated(rng: np.random.Generator, *, difference: float) -> tuple[np.ndarray, np.ndarray]:
    """Two arms ``(seeds, blocks)`` with a block effect in common and block, seed and residual effects of their own."""
    blocks = rng.normal(0.7, 0.04, BLOCKS)
    arms = []
    for shift in (difference, 0.0):
        of_blocks, trainings = rng.normal(0, 0.006, BLOCKS), rng.normal(0, 0.004, (SEEDS, 1))
        arms.append(shift + blocks + of_blocks + trainings + rng.normal(0, 0.005, (SEEDS, BLOCKS)))
    return arms[0], arms[1]


def named(rng: np.random.Generator, *, difference: float, comparisons: int = 1) -> bool:
    """Whether a winner is named in one of several comparisons after Holm's correction, the first with a difference."""
    shifts = [difference, *[0.0] * (comparisons - 1)]
    intervals = [difference_interval(*simulated(rng, difference=shift)) for shift in shifts]
    adjusted = holm([interval.p_value for interval in intervals])
    words = [verdict(interval, p_holm) for interval, p_holm in zip(intervals, adjusted, strict=True)]
    return words[0] == "higher" if difference else any(word in ("higher", "lower") for word in words)


def test_a_planted_difference_is_named(rng: np.random.Generator) -> None:
    assert sum(named(rng, difference=0.02) for _ in range(100)) >= 90


@pytest.mark.parametrize("comparisons", [1, 4])
def test_null_comparisons_are_rarely_named(rng: np.random.Generator, comparisons: int) -> None:
    assert sum(named(rng, difference=0.0, comparisons=comparisons) for _ in range(100)) <= 10


def test_intervals_cover_as_they_say(rng: np.random.Generator) -> None:
    intervals = [difference_interval(*simulated(rng, difference=0.0)) for _ in range(1000)]
    assert 0.93 <= np.mean([interval.low <= 0 <= interval.high for interval in intervals]) <= 0.99
