"""What labels are worth: one row per strategy and number, the arm without labels as the line to beat, a sentence."""

import json
from pathlib import Path

import pandas as pd
import pytest

from reports.analysis.comparison import compare_studies
from reports.analysis.label_curve import label_curve, worth_of_labels
from reports.figures.labels import label_figure
from reports.tables.labels import labels
from tests.reports.records_fixture import Records, write_records

LABELLED = {"early": 0, "AutoFuse": 5, "late": 5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose arms are of two strategies, one of them without labels too; AutoFuse's trials segment."""
    folder = tmp_path_factory.mktemp("runs")
    folders = write_records(folder, Records())
    for (label, _), trial in folders.items():
        if label == "AutoFuse":
            for path in trial.glob("eval/*/pairs.csv"):
                pairs = pd.read_csv(path)
                pairs.assign(segmentation_dice=0.8 + 0 * pairs["dice"]).to_csv(path, index=False)
        record = json.loads((trial / "record.json").read_text())
        if label in LABELLED:
            record["configuration"]["dataset"]["fingerprint"] = f"of {LABELLED[label]} labelled"
        (trial / "record.json").write_text(json.dumps(record))
    (path,) = (folder / "studies").glob("*.json")
    study = json.loads(path.read_text())
    for arm in study["arms"]:
        if arm["label"] in LABELLED:
            arm |= {"labelled": LABELLED[arm["label"]], "strategy": f"strategy of {arm['label']}"}
    path.write_text(json.dumps(study))
    return folder


def test_gains_are_over_the_arm_without_labels_and_said_in_a_sentence(runs: Path) -> None:
    (comparison,) = compare_studies([runs], baseline="early")
    curve = label_curve(comparison).set_index("arm")
    assert set(curve.index) == set(LABELLED)
    assert pd.isna(curve["gain"]["early"])
    means = comparison.arms.set_index("arm")["dice_blocks"]
    assert curve["gain"]["AutoFuse"] == pytest.approx(means["AutoFuse"] - means["early"], abs=1e-6)
    assert curve["segmentation"]["AutoFuse"] == pytest.approx(0.8)
    assert pd.isna(curve["segmentation"]["late"])
    (sentence,) = worth_of_labels(comparison, label_curve(comparison))
    assert sentence.startswith("5 labelled subjects are worth ")
    assert "over “early” with the best strategy, strategy of AutoFuse (95 % interval" in sentence


def test_numbers_of_labelled_subjects_do_not_make_arms_incomparable(runs: Path) -> None:
    (comparison,) = compare_studies([runs], baseline="early")
    assert not any("fingerprint" in problem for problem in comparison.records.problems)
    assert comparison.arms["difference"].notna().sum() >= 2


def test_table_and_figure_show_registration_and_segmentation_apart(runs: Path) -> None:
    (comparison,) = compare_studies([runs], baseline="early")
    table = labels(comparison)
    assert list(table.shown["Labelled subjects"]) == ["0", "5", "5"]
    assert sorted(table.shown["Segmentation Dice"]) == ["", "", "0.800"]
    captioned = label_figure(comparison)
    assert captioned.figure is not None
    assert len(captioned.figure.axes) == 2
    assert "Dashed: early, the line to beat" in captioned.caption
