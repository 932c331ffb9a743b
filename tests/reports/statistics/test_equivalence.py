"""Equivalence and the smallest detectable difference: by hand, and how often they are right on simulated arms."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.equivalence import (
    LEVEL_WITH,
    detectable_difference,
    equivalence,
    equivalence_p,
    with_equivalence,
)
from reports.statistics.intervals import Interval, difference_interval

NARROW = Interval(estimate=0.004, low=-0.01, high=0.018, standard_error=0.006, degrees_of_freedom=8, p_value=0.5)


def test_two_one_sided_tests_by_hand() -> None:
    assert equivalence_p(NARROW, 0.02) == pytest.approx(stats.t.sf((0.02 - 0.004) / 0.006, 8))
    # Beyond the margin nothing is equivalent.
    assert equivalence_p(NARROW, 0.003) > 0.5


def test_equivalence_is_that_the_90_percent_interval_lies_within_the_margin() -> None:
    reach = NARROW.estimate + stats.t.ppf(0.95, 8) * NARROW.standard_error
    assert equivalence_p(NARROW, reach * 1.001) < 0.05 < equivalence_p(NARROW, reach * 0.999)


def test_where_no_claim_can_be_made_none_of_equivalence_can() -> None:
    one_seed = Interval(estimate=0.0, standard_error=1e-4, degrees_of_freedom=5, limit="one seed")
    assert np.isnan(equivalence_p(one_seed, 0.1))
    assert np.isnan(detectable_difference(one_seed))
    assert np.isnan(equivalence([NARROW], None)).all()


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), float("inf")])
def test_a_margin_is_a_number_above_0(margin: float) -> None:
    with pytest.raises(ValueError, match=r"equivalence_p\(\): 'margin' must be a number above 0"):
        equivalence_p(NARROW, margin)


def test_a_difference_that_is_shown_is_never_called_level() -> None:
    assert with_equivalence("no difference shown", 0.01) == LEVEL_WITH
    assert with_equivalence("no difference shown", 0.2) == "no difference shown"
    assert with_equivalence("lower", 0.01) == "lower"
    assert with_equivalence("no claim: one seed", float("nan")) == "no claim: one seed"


def test_equivalence_is_corrected_over_the_comparisons() -> None:
    alone = equivalence_p(NARROW, 0.017)
    assert equivalence([NARROW] * 3, 0.017) == pytest.approx([3 * alone] * 3)


def _difference(rng: np.random.Generator, true: float) -> Interval:
    blocks = rng.normal(0, 0.02, 10)
    arms = [blocks + rng.normal(0, 0.006, 10) + rng.normal(0, 0.004, (3, 1)) for _ in range(2)]
    return difference_interval(arms[0] + true, arms[1])


def test_arms_that_are_a_margin_apart_are_seldom_called_level(rng: np.random.Generator) -> None:
    """At the edge of the region at most 5 % may be called equivalent; well inside it, most."""
    p_values = {true: [equivalence_p(_difference(rng, true), 0.02) for _ in range(400)] for true in (0.02, 0.0)}
    assert np.mean(np.array(p_values[0.02]) < 0.05) <= 0.08
    assert np.mean(np.array(p_values[0.0]) < 0.05) >= 0.8


def test_the_detectable_difference_is_found_in_four_cases_of_five(rng: np.random.Generator) -> None:
    error, blocks = 0.02 / np.sqrt(12), 12
    design = Interval(estimate=0.0, standard_error=error, degrees_of_freedom=blocks - 1)
    true = detectable_difference(design)
    found = [
        difference_interval(
            rng.normal(true, 0.02, (1, blocks)), np.zeros((1, blocks)), first_trained=False, second_trained=False
        ).p_value
        < 0.05
        for _ in range(600)
    ]
    assert 0.74 <= np.mean(found) <= 0.86
    assert detectable_difference(design, comparisons=10) > true
