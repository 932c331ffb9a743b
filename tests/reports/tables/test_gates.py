"""Weights of gates over pairs, the plans that they amount to, and where those were trained."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from fusemorph.storage import RecordError
from reports.analysis.comparison import Comparison, compare_studies
from reports.figures.gates import gate_figures
from reports.plots.gates import weights_of_pairs
from reports.plots.style import with_colours
from reports.records.files import read_pair_gates
from reports.tables.gates import decoded_plans, gate_weights, weights
from tests.reports.records_fixture import ARMS, Arm, Records, write_records

GATED = Arm(label="mixed", plan="gsggjjg", dice=0.70)


def set_weights(folders: dict[tuple[str, str], Path], arm: str, joint: dict[int, float]) -> None:
    """Put the same weights on every pair of all seeds of an arm."""
    for (label, _), folder in folders.items():
        if label == arm:
            path = folder / "eval" / "val" / "gates.csv"
            table = pd.read_csv(path)
            table["joint_weight"] = table["stage"].map(joint)
            table.assign(single_weight=1 - table["joint_weight"]).to_csv(path, index=False)


def compared(folder: Path, joint: dict[int, float], *, arms: tuple[Arm, ...]) -> Comparison:
    folders = write_records(folder, Records(arms=arms))
    set_weights(folders, "AutoFuse", joint)
    return compare_studies([folder])[0]


def test_weights_are_of_the_pairs_and_else_of_the_last_validation(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=(ARMS[0], GATED)))
    set_weights(folders, "AutoFuse", dict.fromkeys(range(1, 8), 0.4))
    for seed in "012":
        (folders["mixed", seed] / "eval" / "val" / "gates.csv").unlink()
    table = weights(compare_studies([tmp_path])[0])
    of_arm = table[table["arm"] == "AutoFuse"]
    assert (of_arm["of"] == "val pairs").all()
    assert of_arm["joint_weight"].to_numpy() == pytest.approx(0.4)
    rest = table[table["arm"] == "mixed"]
    assert (rest["of"] == "val pairs, at the last validation").all()
    last = pd.read_csv(folders["mixed", "1"] / "gates.csv").query("step == 600")
    assert rest[rest["seed"] == "1"]["joint_weight"].to_numpy() == pytest.approx(last["joint_weight"].to_numpy())
    shown = gate_weights(compare_studies([tmp_path])[0]).shown
    assert list(shown["Arm"]) == ["AutoFuse", "mixed"]
    assert shown["Stage 3"].iloc[0] == "0.40 (0.40 to 0.40)"


def test_a_decoded_plan_that_was_trained_is_compared_with_its_parent(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {7: 0.9} | dict.fromkeys(range(1, 7), 0.5), arms=ARMS[:3])
    row = decoded_plans(comparison).numbers.iloc[0]
    assert (row["plan"], row["decoded"]) == ("ggggggg", "ggggggj")
    comparison = compared(tmp_path / "late", dict.fromkeys(range(1, 8), 0.8), arms=ARMS[:3])
    table = decoded_plans(comparison)
    row = table.numbers.iloc[0]
    assert (row["decoded"], row["agreeing"], row["seeds"], row["trained_as"]) == ("jjjjjjj", 3, 3, "early")
    means = comparison.arms.set_index("arm")["dice_blocks"]
    assert row["difference"] == pytest.approx(means["early"] - means["AutoFuse"])
    assert row["low"] < row["difference"] < row["high"]
    assert table.shown["Decoded plan"].iloc[0] == "jjjjjjj (early)"


def test_an_arm_of_another_size_is_not_the_decoded_plan(tmp_path: Path) -> None:
    compared(tmp_path, dict.fromkeys(range(1, 8), 0.8), arms=ARMS[:3])
    path = tmp_path / "studies" / "fusion.json"
    study = json.loads(path.read_text())
    study["arms"][1]["method"]["channels"] = [4, 8, 8, 16, 16]
    path.write_text(json.dumps(study))
    row = decoded_plans(compare_studies([tmp_path])[0]).numbers.iloc[0]
    assert row["trained_as"].startswith("not trained; python -m experiments.sweep fusion --dataset hippocampus")
    assert "--arm AutoFuse --plan=jjjjjjj" in row["trained_as"]
    assert np.isnan(row["of_decoded"])


def test_another_study_may_hold_the_decoded_plan(tmp_path: Path) -> None:
    comparison = compared(tmp_path / "one", dict.fromkeys(range(1, 8), 0.8), arms=ARMS[:1])
    write_records(tmp_path / "two", Records(arms=ARMS[:2], name="again"))
    again = compare_studies([tmp_path / "two"])[0]
    row = decoded_plans(comparison, [comparison, again]).numbers.iloc[0]
    assert row["trained_as"] == "early, in the study again"
    assert np.isnan(row["difference"])


def test_no_gate_that_leans_is_said(tmp_path: Path) -> None:
    comparison = compared(tmp_path, dict.fromkeys(range(1, 8), 0.5), arms=ARMS[:2])
    assert decoded_plans(comparison).shown["Trained as"].iloc[0] == "itself: no gate prefers a path that clearly"


def test_records_without_gates_give_empty_tables_and_a_sentence(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[1:3], seeds=1))
    comparison = compare_studies([tmp_path])[0]
    assert gate_weights(comparison).shown.empty
    assert decoded_plans(comparison).shown.empty
    (captioned,) = gate_figures(comparison)
    assert "No weights of gates were recorded" in captioned.caption


def test_each_pair_is_drawn_at_its_stage(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {stage: stage / 10 for stage in range(1, 8)}, arms=(ARMS[0], GATED))
    ax = Figure().subplots()
    weights_of_pairs(ax, comparison.records.pair_gates, with_colours(comparison.arms, comparison.baseline))
    first = np.asarray(ax.collections[0].get_offsets())
    assert len(first) == 40
    assert first[:, 1] == pytest.approx(0.1)
    assert (
        len([collection for collection in ax.collections if len(np.asarray(collection.get_offsets())) == 40]) == 7 + 4
    )


def test_maps_are_drawn_for_the_arms_that_have_some(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1, pictures=True))
    captioned_figures = list(gate_figures(compare_studies([tmp_path])[0]))
    assert [captioned.name for captioned in captioned_figures] == ["pair_gates", "gate_maps0"]
    figure = captioned_figures[1].figure
    assert figure is not None
    assert len(figure.axes) == 3 * 8 + 1
    assert "Median pair" in captioned_figures[1].caption


def test_wrong_tables_of_gates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gates.csv"
    path.write_text("pair,stage,joint_weight\na,1,0.5\n")
    with pytest.raises(RecordError, match="single_weight"):
        read_pair_gates(path)
    path.write_text("pair,stage,joint_weight,single_weight\na,1,x,0.5\n")
    with pytest.raises(RecordError, match="joint_weight"):
        read_pair_gates(path)
