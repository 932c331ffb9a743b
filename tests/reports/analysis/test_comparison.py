"""Arms beside each other: what is compared with what, over which pairs, and what the page opens with."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.analysis.comparison import Comparison, compare, compare_studies
from reports.analysis.protocol import protocol
from reports.analysis.significance import Certainty
from reports.analysis.summary import PRICE, SURE, WHERE, WHICH, in_words, summary
from reports.figures.significance import significance_figures
from reports.figures.study import study_figures
from reports.records import NothingToReportError
from reports.records.loading import load_studies
from reports.statistics.blocks import Blocks
from reports.statistics.intervals import difference_interval
from tests.reports.records_fixture import ARMS, FUSION_ARMS, Arm, Records, write_records


def compared(folder: Path, **records: Any) -> Comparison:
    write_records(folder, Records(**records))
    return compare(load_studies([folder])[0])


def arm(comparison: Comparison, name: str) -> "pd.Series[Any]":
    return comparison.arms[comparison.arms["arm"] == name].iloc[0]


def change_pairs(runs: Path, key: str, change: Any) -> None:
    path = next(runs.glob(f"{key}*")) / "eval" / "val" / "pairs.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)


def test_difference_is_that_of_the_block_means(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    pairs = comparison.records.pairs

    def blocks(name: str) -> np.ndarray:
        of_arm = pairs[pairs["arm"] == name]
        return of_arm.pivot_table(index="seed", columns="block", values="dice").to_numpy()

    expected = difference_interval(blocks("early"), blocks("AutoFuse"))
    row = arm(comparison, "early")
    assert row["difference"] == pytest.approx(expected.estimate)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((expected.low, expected.high))
    assert row["p_value"] == pytest.approx(expected.p_value)


def test_means_agree_with_their_differences(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    assert comparison.notes == ()
    assert not comparison.blocks_differ
    for name in ("early", "late", "identity"):
        row = arm(comparison, name)
        assert row["difference"] == pytest.approx(row["dice"] - arm(comparison, "AutoFuse")["dice"])


def test_unequal_blocks_are_noted(tmp_path: Path) -> None:
    write_records(tmp_path, Records(block_effect=0.08))
    for path in tmp_path.glob("*/eval/val/pairs.csv"):
        pd.read_csv(path).query("index > 15 or index % 4 == 0").to_csv(path, index=False)
    comparison = compare(load_studies([tmp_path])[0])
    assert comparison.blocks_differ
    pairs = comparison.records.pairs
    of_arm = pairs[pairs["arm"] == "early"]
    row = arm(comparison, "early")
    assert row["dice"] == pytest.approx(of_arm["dice"].mean())
    assert row["dice_blocks"] == pytest.approx(of_arm.groupby("block")["dice"].mean().mean())
    assert row["dice_low"] < row["dice_blocks"] < row["dice_high"]
    best = comparison.ranked.iloc[0]
    assert (
        f"of the 4 arms, {best['dice_blocks']:.3f} (95 % interval {best['dice_low']:.3f} to"
        in summary(comparison)[WHICH]
    )


def test_pairs_without_dice_are_left_out_of_both_arms(tmp_path: Path) -> None:
    write_records(tmp_path)
    change_pairs(tmp_path, "fusion0101", lambda pairs: pairs.assign(dice=pairs["dice"].where(pairs.index != 5)))
    records = load_studies([tmp_path])[0]
    comparison = compare(records)
    assert "early: 1 of its 120 evaluations have no Dice; left out." in comparison.notes
    tables = [records.pairs[records.pairs["arm"] == name] for name in ("early", "AutoFuse")]
    without = [table[table["pair"] != tables[0]["pair"].iloc[5]] for table in tables]
    names = ["early", "AutoFuse"]
    means = [Blocks(pd.concat(parts), "dice").means(names) for parts in (tables, without)]
    for given, expected in zip(*means, strict=True):
        np.testing.assert_array_equal(given, expected)
    assert np.isfinite(arm(comparison, "early")["p_value"])


def test_one_connected_block_rests_on_its_persons(tmp_path: Path) -> None:
    """A ring: each of eight persons beside the next."""
    write_records(tmp_path, Records(blocks=1, pairs_in_block=8))
    for path in tmp_path.glob("*/eval/val/pairs.csv"):
        persons = {"fixed_person": range(8), "moving_person": [*range(1, 8), 0]}
        pd.read_csv(path).assign(**persons).to_csv(path, index=False)
    comparison = compare(load_studies([tmp_path])[0])
    row = arm(comparison, "early")
    assert (row["blocks"], row["persons"], row["difference_limit"]) == (1, 8, "")
    assert row["dice_low"] < row["dice"] < row["dice_high"]
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert "they are connected, and the 8 subjects, left out one by one, give a" in protocol(comparison).done[0]


def test_other_pairs_are_noted(tmp_path: Path) -> None:
    write_records(tmp_path)
    change_pairs(tmp_path, "fusion0100", lambda pairs: pairs.iloc[:-2])
    comparison = compare(load_studies([tmp_path])[0])
    assert any("Not every trial was evaluated on the same pairs (38 to 40)" in note for note in comparison.notes)


def test_families_and_groups_of_the_fusion_study(tmp_path: Path) -> None:
    comparison = compared(tmp_path, arms=FUSION_ARMS)
    assert comparison.arms.groupby("family")["arm"].count().to_dict() == {
        "AutoFuse": 1,
        "early": 3,
        "identity": 1,
        "late": 3,
        "middle": 3,
    }
    assert arm(comparison, "late, FLOPs")["flops_ratio"] == pytest.approx(1.0)


def test_untrained_arms_are_families_of_their_own(tmp_path: Path) -> None:
    arms = (*ARMS, Arm(label="oracle", group="ceiling", dice=0.95))
    comparison = compared(tmp_path, arms=arms)
    assert list(comparison.arms["family"]) == list(comparison.arms["arm"])


def test_groups_stand_together(tmp_path: Path) -> None:
    arms = (ARMS[0], Arm(label="AutoFuse, plain", group="plain", plan="ggggggg"), *ARMS[1:3])
    assert list(compared(tmp_path, arms=arms).arms["group"]) == ["published widths"] * 3 + ["plain"]


def test_baseline_can_be_chosen(runs: Path) -> None:
    comparison = compare_studies([runs], baseline="late")[0]
    assert comparison.baseline == "late"
    assert arm(comparison, "AutoFuse")["difference"] > 0
    with pytest.raises(NothingToReportError, match="no arm 'latest' to compare with; there are: AutoFuse, early, late"):
        compare_studies([runs], baseline="latest")


def how_sure(folder: Path, **records: Any) -> str:
    return summary(compared(folder, **records))[SURE]


def test_summary_names_what_is_shown(tmp_path: Path) -> None:
    arms = (ARMS[0], Arm(label="early", plan="jjjjjjj", dice=0.66), Arm(label="late", plan="------s", dice=0.706))
    comparison = compared(tmp_path, arms=arms, seed_effect=0.002)
    sure = summary(comparison)[SURE]
    assert sure.startswith(
        "AutoFuse has a higher mean Dice than early; no difference is shown between AutoFuse and late. Early fusion"
    )
    assert re.search(r"0\.0\d\d Dice lower than AutoFuse, the largest significant difference \(95 %", sure)
    assert "Holm-adjusted p < 0.001 over 2 comparisons" in sure
    assert re.search(r"A true difference smaller than 0\.0\d\d( to 0\.0\d\d)? Dice", sure)
    assert protocol(comparison).done[:2] == (
        "3 arms evaluated on the same 40 pairs of val, in 10 blocks of pairs that share subjects.",
        "3 trained arms, 3 seeds each, trained for 600 steps (budget quick).",
    )


def test_summary_names_a_better_arm(tmp_path: Path) -> None:
    arms = (ARMS[0], Arm(label="late", plan="------s", dice=0.76))
    answers = summary(compared(tmp_path, arms=arms))
    assert re.match(
        r"Late fusion has the highest mean Dice of the 2 arms, 0\.7\d\d \(95 % interval 0\.\d+ to 0\.\d+\): 0\.0\d\d "
        r"more than the baseline, AutoFuse, at 0\.\d+ \(95 % interval of the difference \+0\.0\d+ to \+0\.0\d+\)\.$",
        answers[WHICH],
    )
    assert answers[SURE].startswith("late has a higher mean Dice than AutoFuse. Late fusion scored 0.0")
    assert answers[WHERE] == "Single (each image encoded apart) at stage 7 (plan ------s)."
    assert answers[PRICE].startswith("1,000,000 parameters (0.46 of the baseline's) and 10.0 GFLOPs; 0.")


def test_summary_claims_nothing_without_a_difference(tmp_path: Path) -> None:
    arms = (ARMS[0], *(Arm(label=label, plan=label, dice=0.705) for label in ("early", "middle", "late")), ARMS[-1])
    sure = how_sure(tmp_path, arms=arms)
    assert sure.startswith("No difference in mean Dice is shown between AutoFuse and any of the 3 other trained arms.")
    assert "than AutoFuse, the largest difference observed (95 % interval" in sure


def test_level_is_said_where_equivalence_is_shown_alone(tmp_path: Path) -> None:
    twin = Arm(label="twin", plan="gggggg/g", dice=0.705)
    write_records(tmp_path, Records(arms=(ARMS[0], twin, ARMS[3])))
    records = load_studies([tmp_path])[0]
    assert "twin is level with AutoFuse, within ±0.030 Dice." in summary(compare(records, margin=0.03))[SURE]
    for margin in (None, 1e-4):
        assert "level" not in summary(compare(records, margin=margin))[SURE]


def test_summary_tells_the_sets_apart(tmp_path: Path) -> None:
    sure = how_sure(tmp_path, arms=FUSION_ARMS[:6], seed_effect=0.001, block_arm_effect=0.002)
    assert "late (published widths)" in sure
    assert "(matched by parameters)" in sure


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"seeds": 1}, "No claim can be made about the 2 other trained arms against AutoFuse (one seed). "),
        ({"seeds": 1}, "A claim needs 3 seeds an arm."),
        ({"seeds": 2}, "No claim can be made about the 2 other trained arms against AutoFuse (2 seeds). "),
        ({"blocks": 1}, "No claim can be made about the 2 other trained arms against AutoFuse (one block). "),
        ({"arms": ARMS[:1]}, "Nothing is compared: AutoFuse is the only arm with an evaluated trial."),
        (
            {"arms": (ARMS[0], ARMS[3])},
            "Nothing is compared: AutoFuse is the only arm with an evaluated trial beside identity.",
        ),
    ],
)
def test_summary_of_thin_records(tmp_path: Path, records: dict[str, Any], words: str) -> None:
    assert words in how_sure(tmp_path, **records)


def without(runs: Path, labels: Sequence[str]) -> Comparison:
    folders = write_records(runs)
    for (label, _), folder in folders.items():
        if label in labels:
            path = folder / "record.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed", "reason": "no"}))
    return compare(load_studies([runs])[0])


def test_summary_without_a_result(tmp_path: Path) -> None:
    answers = summary(without(tmp_path, ["AutoFuse", "early", "late", "identity"]))
    assert answers == {WHICH: "Nothing can be said yet: no trial has been evaluated on val."}


def test_summary_without_the_baseline(tmp_path: Path) -> None:
    answers = summary(without(tmp_path, ["AutoFuse"]))
    assert answers[SURE] == "No arm can be compared: the baseline, AutoFuse, has no evaluated trial."
    assert re.match(r"Early fusion \(published widths\) has the highest mean Dice of the 3 arms, 0\.", answers[WHICH])


def test_summary_begins_with_the_best_arm_whatever_it_is(tmp_path: Path) -> None:
    oracle = Arm(label="oracle", group="ceiling", dice=0.95)
    arms = (*ARMS, Arm(label="syn", group="classical", dice=0.79), oracle)
    answers = summary(compared(tmp_path, arms=arms))
    assert answers[WHICH].startswith("syn (classical, not trained) has the highest mean Dice of the 5 arms, 0.7")
    assert " The best trained arm is " in answers[WHICH]
    assert answers[WHERE].startswith("syn is not a fusion network; the best of those, ")
    assert "parameters" not in answers[PRICE]
    alone = summary(compared(tmp_path / "alone", arms=ARMS[:1]))
    assert alone[WHICH].startswith("AutoFuse is the only arm with a result: mean Dice 0.")


def test_a_matched_strategy_is_said_in_words(tmp_path: Path) -> None:
    arms = (*FUSION_ARMS[:4], Arm(label="early, parameters", group="matched by parameters", plan="jjjjjjj", dice=0.6))
    sure = how_sure(tmp_path, arms=arms)
    assert re.search(r"\. Early fusion, matched in parameters, scored 0\.1\d\d Dice lower than AutoFuse, the la", sure)


def test_a_strategy_with_settings_of_its_own_keeps_its_name() -> None:
    row = pd.Series({"arm": "middle, rate 0.001", "family": "middle", "group": "rate 0.001"})
    assert in_words(row) == "middle, rate 0.001"
    assert in_words(row.replace("middle, rate 0.001", "middle")) == "middle fusion"


def test_another_metric_is_said_with_name_and_unit(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2]))
    (comparison,) = compare_studies([tmp_path], primary="hd95_mm")
    answers = summary(comparison)
    assert re.search(r"has the lowest mean HD95 of the 2 arms, \d+\.\d\d mm \(95 % interval", answers[WHICH])
    assert re.search(r"Early fusion had a mean HD95 \d+\.\d\d mm (higher|lower) than AutoFuse", answers[SURE])


def test_the_best_arm_is_in_price_ranks_significance_and_stability_though_it_is_not_trained(tmp_path: Path) -> None:
    comparison = compared(tmp_path, arms=(*ARMS, Arm(label="syn", group="classical", dice=0.79)))
    certainty = Certainty(comparison)
    assert certainty.ranks.index[0] == certainty.stability.index[0] == "syn"
    assert set(certainty.pairs["first"].iloc[:3]) == {"syn"}
    assert set(certainty.pairs["verdict"].iloc[:3]) == {"higher"}
    assert "identity" not in certainty.ranks, "it bounds what can be had"
    figures = {figure.name: figure for figure in (*study_figures(comparison), *significance_figures(certainty))}
    assert all("syn" in figures[name].alt for name in ("price", "ranks", "significance", "stability"))
    drawn = figures["price"].figure
    assert drawn is not None
    markers = {ax.get_xlabel(): [line.get_marker() for line in ax.lines].count("$1$") for ax in drawn.axes}
    assert markers == {"Parameters (millions)": 0, "Forward FLOPs (G)": 0, "Latency (s)": 1}
