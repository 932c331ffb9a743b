"""The text for a paper says the numbers of the tables, and no more than may be claimed."""

import re
from pathlib import Path
from typing import Any

from reports.analysis.comparison import compare_studies
from reports.analysis.results_text import results_text
from reports.analysis.significance import Certainty
from reports.statistics.ranking_methods import TESTS
from tests.reports.records_fixture import ARMS, Arm, Records, write_records


def made(folder: Path, *, margin: float | None = None, **records: Any) -> Certainty:
    write_records(folder, Records(**records))
    return Certainty(compare_studies([folder], margin=margin)[0])


def test_what_is_significant_stands_with_difference_interval_and_p(tmp_path: Path) -> None:
    certainty = made(tmp_path, arms=(*ARMS, Arm(label="syn", group="classical", dice=0.79)))
    methods, scores, differences, ranking = results_text(certainty)
    assert "5 methods were compared on 40 image pairs of Hippocampus" in methods
    assert "(the val split, on which choices had been made), in 10 blocks" in methods
    syn = certainty.comparison.ranked.iloc[0]
    assert f"syn {float(syn['dice_blocks']):.3f} (95 % CI " in scores
    found = re.search(
        r"significantly higher than that of AutoFuse for syn \(\+(0\.\d+), 95 % CI .*?, p < 0.001\)", differences
    )
    assert found is not None
    assert float(found.group(1)) == round(float(syn["difference"]), 3)
    assert "syn ranked first in 100 %." in ranking
    assert TESTS in certainty.rankings


def test_one_seed_claims_nothing(tmp_path: Path) -> None:
    certainty = made(tmp_path, arms=ARMS, seeds=1)
    text = " ".join(results_text(certainty))
    assert "significant" not in text
    assert "No claim is made about 3 other methods (one seed)." in text
    assert "Intervals of networks with one seed are conditional on that training." in text
    assert TESTS not in certainty.rankings, "of no two arms a claim may be made"


def test_arms_within_the_margin_are_equivalent(tmp_path: Path) -> None:
    alike = Arm(label="early", plan="jjjjjjj", dice=0.705)
    text = " ".join(results_text(made(tmp_path, arms=(ARMS[0], alike), margin=0.2)))
    assert "early was equivalent to AutoFuse within ±0.200 Dice (two one-sided tests)." in text
    assert "significantly" not in text
