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
from reports.analysis.summary import summary
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
        own = pairs[pairs["arm"] == name]
        return own.pivot_table(index="seed", columns="block", values="dice").to_numpy()

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
    assert "over blocks (95 % interval" in summary(comparison)[2]
    pairs = comparison.records.pairs
    own = pairs[pairs["arm"] == "early"]
    row = arm(comparison, "early")
    assert row["dice"] == pytest.approx(own["dice"].mean())
    assert row["dice_blocks"] == pytest.approx(own.groupby("block")["dice"].mean().mean())
    assert row["dice_low"] < row["dice_blocks"] < row["dice_high"]


def test_pairs_without_dice_are_left_out_of_both_arms(tmp_path: Path) -> None:
    write_records(tmp_path)
    change_pairs(tmp_path, "fusion0101", lambda pairs: pairs.assign(dice=pairs["dice"].where(pairs.index != 5)))
    records = load_studies([tmp_path])[0]
    comparison = compare(records)
    assert "early: 1 of its 120 evaluations have no Dice; left out." in comparison.notes
    tables = [records.pairs[records.pairs["arm"] == name] for name in ("early", "AutoFuse")]
    without = [table[table["pair"] != tables[0]["pair"].iloc[5]] for table in tables]
    names = ["early", "AutoFuse"]
    means = [Blocks(pd.concat(own), "dice").means(names) for own in (tables, without)]
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
    limits = summary(comparison)[3]
    assert "1 block of persons (8 pairs), connected: left out one by one, its 8 persons give a" in limits


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


def sentences(folder: Path, **records: Any) -> tuple[str, str, str]:
    return summary(compared(folder, **records))[1:]


def test_summary_names_what_is_shown(tmp_path: Path) -> None:
    arms = (ARMS[0], Arm(label="early", plan="jjjjjjj", dice=0.66), Arm(label="late", plan="------s", dice=0.706))
    finding, size, limits = sentences(tmp_path, arms=arms, seed_effect=0.002)
    assert finding == ("AutoFuse has a higher mean Dice than early; no difference is shown between AutoFuse and late.")
    assert re.match(
        r"Early fusion scored 0\.0\d\d Dice lower than AutoFuse, the largest significant difference \(95 %", size
    )
    assert "Holm-adjusted p < 0.001 over 2 comparisons" in size
    assert limits == (
        "Limits: 10 blocks of persons (40 pairs); 3 seeds an arm; Hippocampus (Medical Segmentation Decathlon, task "
        "4); budget quick; split val, the selection split (the official test files are not here, so val is evaluated)."
    )


def test_summary_names_a_better_arm(tmp_path: Path) -> None:
    arms = (ARMS[0], Arm(label="late", plan="------s", dice=0.76))
    finding, size, _ = sentences(tmp_path, arms=arms)
    assert finding == "late has a higher mean Dice than AutoFuse."
    assert re.match(r"Late fusion scored 0\.0\d\d Dice higher than AutoFuse, the largest significant", size)


def test_summary_claims_nothing_without_a_difference(tmp_path: Path) -> None:
    arms = (ARMS[0], *(Arm(label=label, plan=label, dice=0.705) for label in ("early", "middle", "late")), ARMS[-1])
    finding, size, _ = sentences(tmp_path, arms=arms)
    assert finding == "No difference in mean Dice is shown between AutoFuse and any of the 3 other trained arms."
    assert "than AutoFuse, the largest difference observed (95 % interval" in size


def test_summary_tells_the_sets_apart(tmp_path: Path) -> None:
    finding = sentences(tmp_path, arms=FUSION_ARMS, seed_effect=0.001, block_arm_effect=0.002)[0]
    assert "late (published widths)" in finding
    assert "(matched by FLOPs)" in finding


@pytest.mark.parametrize(
    ("records", "finding", "size"),
    [
        (
            {"seeds": 1},
            "No claim can be made about the 2 other trained arms against AutoFuse (one seed).",
            "alone). Aut",
        ),
        ({"seeds": 2}, "No claim can be made about the 2 other trained arms against AutoFuse (2 seeds).", "Holm-adj"),
        (
            {"blocks": 1},
            "No claim can be made about the 2 other trained arms against AutoFuse (one block).",
            "not known",
        ),
        (
            {"arms": ARMS[:1]},
            "Nothing is compared: AutoFuse is the only arm with an evaluated trial.",
            "AutoFuse scored",
        ),
    ],
)
def test_summary_of_thin_records(tmp_path: Path, records: dict[str, Any], finding: str, size: str) -> None:
    opened = sentences(tmp_path, **records)
    assert opened[0] == finding
    assert size in opened[1]


def without(runs: Path, labels: Sequence[str]) -> tuple[str, str, str]:
    folders = write_records(runs)
    for (label, _), folder in folders.items():
        if label in labels:
            path = folder / "record.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed", "reason": "no"}))
    return summary(compare(load_studies([runs])[0]))[1:]


def test_summary_without_a_result(tmp_path: Path) -> None:
    finding, size, limits = without(tmp_path, ["AutoFuse", "early", "late", "identity"])
    assert finding == "Nothing can be said yet: no trial has been evaluated on val."
    assert size == "There is no figure to give."
    assert "only 0 of 10 planned trials evaluated" in limits


def test_summary_without_the_baseline(tmp_path: Path) -> None:
    finding, size, limits = without(tmp_path, ["AutoFuse"])
    assert finding == "No arm can be compared: the baseline, AutoFuse, has no evaluated trial."
    assert size.startswith("early scored 0.")
    assert limits.endswith("only 7 of 10 planned trials evaluated; no result for AutoFuse.")


def test_summary_begins_with_the_best_arm_whatever_it_is(tmp_path: Path) -> None:
    arms = (*ARMS[:3], Arm(label="syn", group="classical", dice=0.79))
    leader, finding, *_ = summary(compared(tmp_path, arms=arms))
    start = "The highest mean Dice of all arms: syn (classical), which is not trained, 0.7"
    assert leader.startswith(start)
    assert "AutoFuse" in finding
    assert summary(compared(tmp_path / "alone", arms=ARMS[:1]))[0] == ""


def test_a_matched_strategy_is_said_in_words(tmp_path: Path) -> None:
    arms = (*FUSION_ARMS[:4], Arm(label="early, parameters", group="matched by parameters", plan="jjjjjjj", dice=0.6))
    size = summary(compared(tmp_path, arms=arms))[2]
    assert re.match(r"Early fusion, matched in parameters, scored 0\.1\d\d Dice lower than AutoFuse, the largest", size)


def test_another_metric_is_said_with_name_and_unit(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2]))
    (comparison,) = compare_studies([tmp_path], primary="hd95_mm")
    leader, _, size, _ = summary(comparison)
    assert leader.startswith("The lowest mean HD95 of all arms: ")
    assert re.search(r"Early fusion had a mean HD95 \d+\.\d\d mm (higher|lower) than AutoFuse", size)
    assert re.search(r"AutoFuse scored \d+\.\d\d mm HD95 \(95 % interval", size)
