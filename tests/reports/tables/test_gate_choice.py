"""What a report says of gates that choose, of gates that only average, and of records that do not tell."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.analysis.comparison import Comparison, compare_studies
from reports.page.report import write_report
from reports.tables.gate_choice import gate_choice, gates_in_a_sentence
from tests.reports.records_fixture import ARMS, Arm, Records, write_records

GATED = (ARMS[0], Arm(label="mixed", plan="gsggjjg", dice=0.70))


def compared(folder: Path, gains: dict[str, float]) -> Comparison:
    """Records in which each gated arm's free gates score so much better than its held ones, give or take .001."""
    rng = np.random.default_rng(0)
    for (label, _), trial in write_records(folder, Records(arms=GATED)).items():
        if label in gains:
            path = trial / "eval" / "val" / "pairs.csv"
            table = pd.read_csv(path)
            noise = rng.normal(0, 0.001, len(table))
            table.assign(dice_gates_held=table["dice"] - gains[label] + noise).to_csv(path, index=False)
            gates = trial / "eval" / "val" / "gates.csv"
            pd.read_csv(gates).assign(spread=0.2, decided=0.25).to_csv(gates, index=False)
    return compare_studies([folder])[0]


def test_a_planted_gain_of_choosing_is_found_and_none_is_not_claimed(tmp_path: Path) -> None:
    table = gate_choice(compared(tmp_path, {"AutoFuse": 0.03, "mixed": 0.0}))
    numbers = table.numbers.set_index("arm")
    assert numbers.loc["AutoFuse", "difference"] == pytest.approx(0.03, abs=0.001)
    assert numbers["low"].loc["AutoFuse"] > 0.02
    assert numbers["low"].loc["mixed"] < 0 < numbers["high"].loc["mixed"]
    assert list(table.shown["Reading"]) == ["choosing helps", "no gain shown"]
    assert list(table.shown["Decided"]) == ["25 %", "25 %"]
    sentence = gates_in_a_sentence(table)
    assert sentence.endswith("left free, they score better than held at their mean weights in AutoFuse.")


def test_nothing_is_claimed_where_nothing_gains(tmp_path: Path) -> None:
    table = gate_choice(compared(tmp_path, {"AutoFuse": 0.0, "mixed": -0.02}))
    assert list(table.shown["Reading"]) == ["no gain shown", "choosing hurts"]
    assert "in no arm is it shown" in gates_in_a_sentence(table)


def test_gates_are_set_beside_the_same_candidates_in_equal_parts(tmp_path: Path) -> None:
    control = Arm(label="sum of two", plan="ppppppp", dice=0.60)
    arms = (ARMS[0], control, ARMS[3])
    folders = write_records(tmp_path, Records(arms=arms))
    for (label, _), trial in folders.items():
        if label == "AutoFuse":
            path = trial / "eval" / "val" / "pairs.csv"
            pd.read_csv(path).assign(dice_gates_held=lambda table: table["dice"]).to_csv(path, index=False)
            gates = trial / "eval" / "val" / "gates.csv"
            pd.read_csv(gates).assign(spread=0.01, decided=0.002).to_csv(gates, index=False)
    table = gate_choice(compare_studies([tmp_path])[0])
    row = table.numbers.iloc[0]
    assert row["control"] == "sum of two"
    assert row["over_control_low"] < row["over_control"] == pytest.approx(0.105, abs=0.02)
    assert "against the same candidates mixed without weights (sum of two)" in table.caption
    sentence = gates_in_a_sentence(table)
    assert sentence.startswith("Gates decide for one candidate in less than 1 % of voxels and channels; in no arm")
    assert "Of 1 gated arm, 1 is shown to score higher than the same candidates in equal parts, and 0 lower" in sentence


def test_one_seed_says_nothing_of_equal_parts(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=(ARMS[0], Arm(label="sum", plan="ppppppp")), seeds=1))
    trial = folders["AutoFuse", "0"]
    path = trial / "eval" / "val" / "pairs.csv"
    pd.read_csv(path).assign(dice_gates_held=lambda table: table["dice"] - 0.1).to_csv(path, index=False)
    gates = trial / "eval" / "val" / "gates.csv"
    pd.read_csv(gates).assign(spread=0.1, decided=0.5).to_csv(gates, index=False)
    sentence = gates_in_a_sentence(gate_choice(compare_studies([tmp_path])[0]))
    assert "Whether weights do better than the same candidates in equal parts cannot be said (one seed)" in sentence


def test_records_that_do_not_tell_give_no_table_and_no_sentence(tmp_path: Path) -> None:
    table = gate_choice(compared(tmp_path, {}))
    assert table.numbers.empty
    assert gates_in_a_sentence(table) == ""


@pytest.mark.usefixtures("svg_alone")
def test_the_sentence_stands_on_the_page(tmp_path: Path) -> None:
    compared(tmp_path / "runs", {"AutoFuse": 0.03})
    page = write_report([tmp_path / "runs"], tmp_path / "page").read_text(encoding="utf-8")
    assert "they score better than held at their mean weights in AutoFuse" in page
    assert "Do the gates choose?" in page
