"""Fronts and hypervolume against cases worked by hand."""

from math import nan

import pytest

from fusemorph.pareto import front, hypervolume


def test_the_front_is_what_nothing_dominates() -> None:
    points = [(0.7, 3.0), (0.6, 1.0), (0.6, 2.0), (0.5, 1.0), (0.7, 3.0)]
    assert front(points, ["maximize", "minimize"]) == [0, 1, 4]


def test_a_point_without_a_value_is_on_no_front_and_dominates_none() -> None:
    assert front([(0.9, nan), (nan, 0.1), (0.5, 1.0)], ["maximize", "minimize"]) == [2]


def test_one_goal_has_its_best_as_front() -> None:
    assert front([(0.1,), (0.4,), (0.3,)], ["maximize"]) == [1]


def test_hypervolume_of_two_goals_by_hand() -> None:
    # Against (0, 4), Dice up and FLOPs down: 0.6 x 3 and, beyond that, 0.1 x 1.
    volume = hypervolume([(0.7, 3.0), (0.6, 1.0), (0.5, 2.0)], ["maximize", "minimize"], reference=(0.0, 4.0))
    assert volume == pytest.approx(0.6 * 3 + 0.1 * 1)


def test_hypervolume_of_three_goals_by_hand() -> None:
    boxes = [(1.0, 1.0, 2.0), (2.0, 2.0, 1.0)]
    # Minimised against (3, 3, 3): 2x2x1 and 1x1x2, which share 1x1x1.
    assert hypervolume(boxes, ["minimize"] * 3, reference=(3.0, 3.0, 3.0)) == pytest.approx(4 + 2 - 1)


def test_points_beyond_the_reference_count_for_nothing() -> None:
    assert hypervolume([(5.0, 5.0)], ["minimize"] * 2, reference=(3.0, 3.0)) == 0
    assert hypervolume([], ["minimize"] * 2, reference=(3.0, 3.0)) == 0
