"""Rankings from means, from ranks and from tests, on a table where they differ, by hand."""

import pandas as pd
import pytest

from reports.statistics.ranking_methods import MEAN, MEDIAN, RANK_MEAN, RANK_MEDIAN, TESTS, agreement, rankings

# One block in which b fails outweighs four in which it is a little better.
TABLE = pd.DataFrame({"a": [0.70] * 5, "b": [0.71, 0.71, 0.71, 0.71, 0.10], "c": [0.60] * 5})


def test_one_block_moves_the_mean_and_not_the_ranks() -> None:
    ranks = rankings(TABLE, None, higher_is_better=True)
    assert ranks[MEAN].to_dict() == {"a": 1, "b": 3, "c": 2}
    for name in (MEDIAN, RANK_MEAN, RANK_MEDIAN):
        assert ranks[name].to_dict() == {"a": 2, "b": 1, "c": 3}
        assert agreement(ranks)[name] == pytest.approx(-1 / 3)
    assert agreement(ranks)[MEAN] == 1
    assert TESTS not in ranks


def test_significant_wins_rank_and_ties_share_the_better_rank() -> None:
    ranks = rankings(TABLE, pd.Series({"a": 1.0, "b": 1.0, "c": 0.0}), higher_is_better=True)
    assert ranks[TESTS].to_dict() == {"a": 1, "b": 1, "c": 3}


def test_a_metric_of_which_less_is_better_turns_the_ranks() -> None:
    assert rankings(TABLE, None, higher_is_better=False)[MEAN].to_dict() == {"a": 3, "b": 1, "c": 2}
