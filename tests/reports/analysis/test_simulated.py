"""Whole comparisons of simulated records: a planted difference is named, and where there is none, rarely one is.

Effects, as standard deviations of Dice: block 0.05, in common to all arms; arm by block 0.006; training seed 0.003;
pair 0.01. Three trained arms, 12 blocks of four pairs, three seeds. Where trainings vary more, three seeds are too few:
at 0.01 and 0.005 a difference of 0.02 is named in about seven of ten studies.
"""

import re

import numpy as np
import pandas as pd
import pytest

from reports.analysis.comparison import Comparison
from reports.analysis.summary import SURE, summary
from reports.dataframe import comparison_of

ARMS, BLOCKS, PAIRS, SEEDS, STUDIES = ("baseline", "level", "candidate"), 12, 4, 3, 50


def study(rng: np.random.Generator, *, planted: float) -> Comparison:
    """A comparison of simulated records in which ``candidate`` is better by ``planted``."""
    blocks = rng.normal(0.7, 0.05, BLOCKS)
    of_blocks = rng.normal(0, 0.006, (len(ARMS), 1, BLOCKS))
    trainings = rng.normal(0, 0.003, (len(ARMS), SEEDS, 1))
    means = np.repeat(blocks + of_blocks + trainings, PAIRS, axis=2)
    dice = means + rng.normal(0, 0.01, means.shape)
    dice[ARMS.index("candidate")] += planted
    arm, seed, pair = np.unravel_index(np.arange(dice.size), dice.shape)
    records = pd.DataFrame({"arm": np.array(ARMS)[arm], "seed": seed, "pair": pair.astype(str), "dice": dice.ravel()})
    return comparison_of(records.assign(block=(pair // PAIRS).astype(str)), baseline="baseline")


def verdicts(comparison: Comparison) -> dict[str, str]:
    return dict(zip(comparison.arms["arm"], comparison.arms["verdict"], strict=True))


def test_a_planted_winner_is_named_in_nine_of_ten_studies(rng: np.random.Generator) -> None:
    named = 0
    for _ in range(STUDIES):
        comparison = study(rng, planted=0.02)
        is_named = verdicts(comparison)["candidate"] == "higher"
        found = re.search("candidate (has|have) a higher mean Dice than baseline", summary(comparison)[SURE])
        assert (found is not None) == is_named
        named += is_named
    assert named >= 0.9 * STUDIES


def test_where_no_arm_is_better_at_most_one_study_in_ten_names_one(rng: np.random.Generator) -> None:
    named = 0
    for _ in range(STUDIES):
        comparison = study(rng, planted=0.0)
        claims = [word in ("higher", "lower") for word in verdicts(comparison).values()]
        assert summary(comparison)[SURE].startswith("No difference in mean Dice is shown") == (not any(claims))
        named += any(claims)
    assert named <= 0.1 * STUDIES


@pytest.mark.parametrize("primary", ["dice", "hd95_mm"])
def test_which_way_is_better_turns_the_words_but_not_the_interval(rng: np.random.Generator, primary: str) -> None:
    records = study(rng, planted=0.05).records.pairs.assign(hd95_mm=lambda pairs: pairs["dice"])
    comparison = comparison_of(records, primary=primary, baseline="baseline")
    row = comparison.arms.set_index("arm").loc["candidate"]
    assert row["verdict"] == "higher"
    assert row["difference"] == pytest.approx(0.05, abs=0.02)
    finding = summary(comparison)[SURE]
    if primary == "dice":
        assert finding.startswith("candidate has a higher mean Dice than baseline")
        assert row["blocks_better"] == BLOCKS
    else:
        assert finding.startswith("baseline has a lower mean HD95 than candidate")
        assert row["blocks_better"] == 0
