"""Tables say what was measured and what was not, name the split, and are the same every time."""

import json
import re
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.analysis.comparison import Comparison, compare_studies
from reports.analysis.significance import Certainty
from reports.checklist.checklist import checklist
from reports.records import NothingToReportError
from reports.tables.arms import differences, leaderboard, overview
from reports.tables.cost import cost
from reports.tables.provenance import provenance
from reports.tables.study import all_tables, arms_text, write_tables
from reports.tables.table import Table
from reports.wording import between, count, listing, number, probability, share, significant
from tests.reports.records_fixture import ARMS, Records, write_records


@pytest.fixture
def comparison(runs: Path) -> Comparison:
    return compare_studies([runs])[0]


def tables_of(comparison: Comparison) -> dict[str, Table]:
    return all_tables(Certainty(comparison))


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (number(0.70649), "0.706"),
        (number(-0.0123, signed=True), "−0.012"),
        (number(0.0123, signed=True), "+0.012"),
        (number(-0.0001, signed=True), "0.000"),
        (number(nan), "not measured"),
        (between(nan, 1.0), "not known"),
        (between(-0.01, 0.02, signed=True), "−0.010 to +0.020"),
        (share(0.0), "0"),
        (share(0.00021), "2.1e-4"),
        (share(0.031), "0.031"),
        (significant(0.12345), "0.123"),
        (significant(12.345), "12.3"),
        (significant(1234.5), "1,234"),
        (significant(0.0), "0"),
        (probability(0.0001), "< 0.001"),
        (probability(nan), "none"),
        (listing(["a"]), "a"),
        (listing(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_in_words(wording: str, text: str) -> None:
    assert wording == text


def test_every_caption_names_the_selection_split(comparison: Comparison) -> None:
    for table in tables_of(comparison).values():
        assert table.caption.endswith("Split: val, the selection split (choices were made on it).")


def test_synthetic_is_said_in_every_caption(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1, synthetic=True, definition={"reported_split": "val"}))
    comparison = compare_studies([tmp_path])[0]
    for table in tables_of(comparison).values():
        assert "Synthetic images, not scans of people." in table.caption


def test_one_table_holds_scores_regularity_and_price(comparison: Comparison) -> None:
    shown = tables_of(comparison)["overview"].shown.set_index("Arm")
    row = comparison.arms.set_index("arm").loc["early"]
    assert shown.loc["early", "Dice"] == f"{row['dice']:.3f}"
    assert shown.loc["early", "HD95 (mm)"] == f"{row['hd95_mm']:.2f}"
    assert shown.loc["early", "SD log J"] == f"{row['sd_log_jacobian']:.3f}"
    assert shown.loc["early", "Parameters"] == f"{row['parameters']:,.0f}"
    assert {"Folding fraction", "Latency (s)", "Memory (MiB)"} <= set(shown.columns)


@pytest.mark.parametrize("primary", ["hd95_mm", "folding_fraction", "ndv_fraction"])
def test_no_metric_stands_twice_in_the_overview(runs: Path, primary: str) -> None:
    table = tables_of(compare_studies([runs], primary=primary)[0])["overview"]
    assert table.shown.columns.is_unique
    assert table.numbers.columns.is_unique
    assert "Dice" in table.shown


def test_leaderboard_in_words(comparison: Comparison) -> None:
    shown = tables_of(comparison)["leaderboard"].shown.set_index("Arm")
    assert shown.loc["AutoFuse", "Verdict"] == "baseline"
    assert shown.loc["identity", "Seed spread"] == "untrained"
    assert shown.loc["identity", "Verdict"] == "lower"
    row = comparison.arms.set_index("arm").loc["early"]
    assert shown.loc["early", "Mean"] == f"{row['dice']:.3f}"
    assert shown.loc["early", "95 % interval"] == f"{row['dice_low']:.3f} to {row['dice_high']:.3f}"


def test_one_seed_is_marked_as_conditional(tmp_path: Path) -> None:
    write_records(tmp_path, Records(seeds=1))
    table = tables_of(compare_studies([tmp_path])[0])["leaderboard"]
    shown = table.shown.set_index("Arm")
    assert "† Over blocks alone" in table.caption
    assert str(shown.loc["early", "95 % interval"]).endswith("†")
    assert not str(shown.loc["identity", "95 % interval"]).endswith("†")
    assert shown.loc["early", "Seed spread"] == "one seed"
    assert shown.loc["early", "Verdict"] == "no claim: one seed"


def test_cost_ratios(comparison: Comparison) -> None:
    table = tables_of(comparison)["cost"]
    shown = table.shown.set_index("Arm")
    assert shown.loc["late", "Parameters"] == "336,000"
    assert shown.loc["late", "ratio"] == "0.15"
    assert shown.loc["AutoFuse", "Plan"] == "ggggggg"
    assert "(cpu, 1 thread)" in table.caption


def test_what_is_not_measured_says_so(runs: Path) -> None:
    for path in runs.glob("*/cost.json"):
        path.unlink()
    tables = tables_of(compare_studies([runs])[0])
    assert "Latency (s)" not in tables["cost"].shown
    assert "Not measured in any arm: Latency (s), Train step (s), Memory (MiB) and Train" in tables["cost"].caption
    assert "Not measured in any arm: Endpoint error (mm)." in tables["regularity"].caption


def test_what_one_arm_lacks_says_so(runs: Path) -> None:
    (next(runs.glob("fusion0100*")) / "cost.json").unlink()
    shown = tables_of(compare_studies([runs])[0])["cost"].shown.set_index("Arm")
    assert shown.loc["early", "Latency (s)"] == "not measured"
    assert shown.loc["late", "Latency (s)"] == "0.098"


def test_sizes_of_networks_do_not_apply_to_what_has_none(comparison: Comparison) -> None:
    tables = tables_of(comparison)
    shown = tables["cost"].shown.set_index("Arm")
    for column in ("Parameters", "GFLOPs", "Train step (s)", "Train memory (MiB)"):
        assert shown.loc["identity", column] == "not applicable"
    assert list(shown.loc["identity", ["ratio", "ratio ", "ratio  "]]) == ["", "", ""]
    assert tables["overview"].shown.set_index("Arm").loc["identity", "Parameters"] == "not applicable"


def test_pairs_that_failed_are_marked_and_told(tmp_path: Path) -> None:
    write_records(tmp_path)
    path = tmp_path / "fusion0100".ljust(16, "0") / "eval" / "val" / "pairs.csv"
    pairs = pd.read_csv(path)
    lost = pairs.index < 3
    reasons = np.where(lost, "took longer than 1 s", "")
    pairs.mask(np.outer(lost, pairs.columns == "dice")).assign(failure=reasons).to_csv(path, index=False)
    comparison = compare_studies([tmp_path])[0]
    tables = tables_of(comparison)
    for table in (tables["overview"], tables["leaderboard"]):
        assert "early ‡" in set(table.shown["Arm"])
        assert "‡ Failed on pairs that its means leave out: early on 3 of 120." in table.caption
    table = tables["trials"]
    assert table.shown[["Arm", "Seed", "State", "Reason"]].to_numpy().tolist() == [
        ["early", "0", "3 of 40 pairs failed", "3 times: took longer than 1 s"]
    ]
    assert "without a result: 0 of 10. With a result of some pairs alone: 1." in table.caption
    assert any("(3 failed; the table of missing and failed trials says why)" in note for note in comparison.notes)


def test_structures(comparison: Comparison) -> None:
    table = tables_of(comparison)["structures"]
    assert list(table.shown.columns) == ["Arm", "anterior", "posterior"]
    assert list(table.shown["Arm"]) == ["AutoFuse", "early", "late", "identity"]
    labels = comparison.records.labels
    mean = labels[(labels["arm"] == "early") & (labels["name"] == "anterior")].groupby("seed")["dice"].mean().mean()
    row = table.numbers[(table.numbers["arm"] == "early") & (table.numbers["name"] == "anterior")]
    assert row["dice"].iloc[0] == pytest.approx(mean)


def test_provenance_counts_core_hours(comparison: Comparison) -> None:
    shown = provenance(comparison.records).shown.set_index("What")["Value"]
    trials = comparison.records.trials
    seconds = trials["training_s"][trials["trained"]].sum()
    assert shown["Core-hours"] == f"{seconds / 3600:.2f} of training"
    assert shown["Versions"] == "numpy 2.4.6, torch 2.13.0"
    assert shown["Trials"] == "10 of 10 evaluated"


def test_files_are_the_same_every_time(comparison: Comparison, tmp_path: Path) -> None:
    write_tables(comparison, tables_of(comparison), tmp_path / "a")
    write_tables(comparison, tables_of(comparison), tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "fusion_arms.csv" in names
    assert "fusion_leaderboard.md" in names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_csv_of_arms_holds_the_numbers(comparison: Comparison, tmp_path: Path) -> None:
    write_tables(comparison, tables_of(comparison), tmp_path)
    read = pd.read_csv(tmp_path / "fusion_arms.csv")
    assert read["dice"].to_numpy() == pytest.approx(comparison.arms["dice"].to_numpy())
    assert set(read["split"]) == {"val"}
    assert read["selection_split"].all()


def test_text_for_the_terminal(runs: Path) -> None:
    text = arms_text([runs], study="fusion")
    lines = text.splitlines()
    assert lines[0] == "fusion: Split: val, the selection split (choices were made on it)."
    words = "Arm Dice Seed spread 95 % interval HD95 (mm) Folding fraction SD log J Parameters Latency (s) Memory (MiB)"
    assert lines[1].split() == words.split()
    assert lines[3].startswith("AutoFuse  0.7")
    assert "2,187,000" in lines[3]
    assert max(map(len, lines)) < 140


def test_text_gives_the_endpoint_error_where_it_is_known(runs: Path) -> None:
    for path in runs.glob("*/eval/val/pairs.csv"):
        pd.read_csv(path).assign(endpoint_error_mm=1.25).to_csv(path, index=False)
    lines = arms_text([runs]).splitlines()
    assert "  Endpoint error (mm)  " in lines[1]
    assert "  1.25  " in lines[3]


def test_the_best_mean_is_bold_and_counts_are_rounded(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=(ARMS[0], ARMS[1])))
    comparison = compare_studies([tmp_path])[0]
    best = str(comparison.arms.set_index("arm")["dice"].idxmax())
    for table in (overview(comparison), leaderboard(comparison)):
        bold = table.numbers["arm"][list(table.marked)]
        assert best in set(bold)
        assert len(bold) < len(table.numbers)
    assert count(184.7) == "185"


def test_the_true_displacement_is_not_the_best_method() -> None:
    results = Path(__file__).parents[3] / "experiments" / "results" / "quickstart"
    table = leaderboard(compare_studies([results])[0])
    assert list(table.numbers["arm"][list(table.marked)]) == ["late"]
    assert table.numbers.set_index("arm")["dice"].idxmax() == "oracle"


def test_a_cost_says_that_nothing_is_known_of_what_ran_beside(comparison: Comparison) -> None:
    caption = cost(comparison).caption
    assert "what else ran on the machine at that time is not recorded" in caption
    assert "with nothing beside it" not in caption


def test_a_cost_says_the_load_and_the_commit_it_was_measured_at(runs: Path) -> None:
    for load, path in enumerate(sorted(runs.glob("*/cost.json"))):
        cost_of = json.loads(path.read_text()) | {"load_average": load / 10, "commit": "c057c057", "host_cpu": "CPU 9"}
        path.write_text(json.dumps(cost_of))
    comparison = compare_studies([runs])[0]
    words = r"; the load average of the machine before each measurement was 0.\d to \d.\d \(0 where nothing"
    assert re.search(words, cost(comparison).caption)
    values = provenance(comparison.records).shown.set_index("What")["Value"]
    assert values["Cost measured"] == "at commit c057c057, on CPU 9"
    answers = checklist([comparison], []).shown.set_index("Item")["From the records"]
    assert "Costs were measured at c057c057." in answers["1a"]


def test_provenance_says_one_precision(runs: Path) -> None:
    for path in runs.glob("*/measured.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"precision": "float32"}))
    path = next(runs.glob("studies/*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": {"name": "quick", "precision": "bfloat16"}}))
    values = provenance(compare_studies([runs])[0].records).shown.set_index("What")["Value"]
    assert values["Trained in"] == "float32 (the budget asks for bfloat16)"
    assert "precision" not in values["Budget"]


def test_an_interval_has_its_own_mean_beside_it_where_blocks_are_unequal(tmp_path: Path) -> None:
    write_records(tmp_path, Records(block_effect=0.08))
    for path in tmp_path.glob("*/eval/val/pairs.csv"):
        pd.read_csv(path).query("index > 15 or index % 4 == 0").to_csv(path, index=False)
    comparison = compare_studies([tmp_path])[0]
    for table in (overview(comparison), leaderboard(comparison)):
        columns = list(table.shown.columns)
        assert columns.index("95 % interval") == columns.index("Over blocks") + 1
        for mean, interval in zip(table.shown["Over blocks"], table.shown["95 % interval"], strict=True):
            low, high = map(float, interval.removesuffix(" †").split(" to "))
            assert float(mean) == pytest.approx((low + high) / 2, abs=0.0011)
        assert "intervals, differences and figures are of it, not of the mean over pairs" in table.caption


def test_arms_are_level_within_a_margin_that_was_set_and_never_without(tmp_path: Path) -> None:
    twin = replace(ARMS[0], label="twin", plan="gggggg/g")
    write_records(tmp_path, Records(arms=(ARMS[0], twin, ARMS[3])))
    without, within = (compare_studies([tmp_path], margin=margin)[0] for margin in (None, 0.03))
    assert "level" not in set(without.arms["verdict"])
    assert "no arm is called level" in differences(without).caption
    assert within.arms.set_index("arm")["verdict"].to_dict() == {
        "AutoFuse": "baseline", "twin": "level", "identity": "lower",
    }  # fmt: skip
    assert "within ±0.030 Dice, the margin that was set" in differences(within).caption
    assert set(Certainty(within).pairs["verdict"]) == {"level"}
    assert without.arms["detectable"].dropna().between(0.001, 0.1).all()
    with pytest.raises(NothingToReportError, match="the equivalence margin must be a number above 0, got -1"):
        compare_studies([tmp_path], margin=-1)
