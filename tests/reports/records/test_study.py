"""Records become tables; what is malformed or missing is said in words that name the file."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusemorph.storage import RecordError
from reports.records import NothingToReportError
from reports.records.files import read_pictures
from reports.records.loading import load_studies
from reports.records.study import StudyRecords
from tests.reports.records_fixture import ARMS, Records, write_records


def load(runs: Path) -> StudyRecords:
    return load_studies([runs])[0]


def state(records: StudyRecords, arm: str, seed: str) -> tuple[str, str]:
    trials = records.trials
    row = trials[(trials["arm"] == arm) & (trials["seed"] == seed)].iloc[0]
    return str(row["state"]), str(row["reason"])


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_complete_records(runs: Path) -> None:
    records = load(runs)
    assert records.complete
    assert records.problems == ()
    assert records.is_selection_split
    assert list(records.arms["arm"]) == ["AutoFuse", "early", "late", "identity"]
    assert len(records.pairs) == 10 * 4 * (3 * 3 + 1)
    assert records.trials.groupby("arm")["trained"].first().to_dict() == {
        "AutoFuse": True,
        "early": True,
        "identity": False,
        "late": True,
    }
    assert set(records.gates["arm"]) == {"AutoFuse"}


def test_compressed_tables_read_the_same(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:1]))
    plain = load(tmp_path)
    for folder in folders.values():
        for path in folder.rglob("*.csv"):
            path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    compressed = load(tmp_path)
    for name in ("pairs", "labels", "history", "gates"):
        pd.testing.assert_frame_equal(getattr(plain, name), getattr(compressed, name))


def test_unfinished_trials_say_how_they_stand(tmp_path: Path) -> None:
    folders = write_records(tmp_path)
    edit(folders["early", "0"] / "record.json", status="failed", reason="non-finite loss at step 217")
    edit(folders["early", "1"] / "record.json", status="running")
    shutil.rmtree(folders["early", "2"])
    shutil.rmtree(folders["late", "0"] / "eval")
    (folders["late", "1"] / "record.json").unlink()
    records = load(tmp_path)
    assert state(records, "early", "0") == ("failed", "non-finite loss at step 217")
    assert state(records, "early", "1") == ("running", "")
    assert state(records, "early", "2") == ("missing", "not run")
    assert state(records, "late", "0") == ("not evaluated", "no pairs.csv for split val")
    assert state(records, "late", "1") == ("missing", "its folder has no record.json (half written)")
    assert not records.complete
    assert set(records.pairs["arm"]) == {"AutoFuse", "late", "identity"}


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            "record.json",
            '{"format": 1,',
            "cannot be read: Expecting property name enclosed in double quotes: line 1",
        ),
        ("record.json", "[1]", "must hold a JSON object"),
        ("record.json", '{"format": 2}', "has format 2; this report reads format 1"),
        ("record.json", '{"format": 1, "status": "done", "configuration": {}}', "'status' must be one of running"),
        ("record.json", '{"format": 1, "status": "finished"}', "lacks 'configuration'"),
        ("eval/val/pairs.csv", "", "is empty"),
        ("eval/val/pairs.csv", "pair,block,dice\n", "has no rows"),
        ("eval/val/pairs.csv", "pair,dice\na<-b,0.5\n", "lacks the columns block"),
        ("eval/val/pairs.csv", "pair,block,dice\na<-b,x,good\n", "column 'dice' holds 'good' in row 1, no number"),
        ("eval/val/pairs.csv", "pair,block,dice\na<-b,x,1.2\n", "'dice' must be within 0 and 1, holds 1.2"),
        ("eval/val/pairs.csv", "pair,block,dice\na<-b,x,inf\n", "holds an infinite value in row 1"),
        ("eval/val/pairs.csv", "pair,block,dice\na<-b,x,.5\na<-b,x,.6\n", "pair a<-b is listed more than once"),
        ("eval/val/pairs.csv", "pair,block,dice\na<-b,x,.5\na<-c,x\n", "row 2 has 2 cells, the header 3"),
        ("eval/val/pairs.csv", 'pair,block,dice\na,x,".5', "cannot be read as a table"),
        ("eval/val/pairs.csv", "pair,block,dice\na,x,.5\nb,x,.5,7\n", "row 2 has 4 cells"),
    ],
)
def test_a_malformed_file_costs_its_trial_and_is_named(runs: Path, file: str, content: str, words: str) -> None:
    path = next(runs.glob("fusion0100*")) / file
    path.write_text(content)
    records = load(runs)
    found, reason = state(records, "early", "0")
    assert found == "unreadable"
    assert str(path) in reason
    assert words in reason
    assert records.problems == (reason,)
    assert (records.trials["state"] == "evaluated").sum() == 9


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("history.csv", "step,loss\n1,much\n", "column 'loss' holds 'much' in row 1"),
        ("gates.csv", "step,stage\n1,2\n", "lacks the columns joint_weight, single_weight"),
        ("measured.json", '{"training_s": "long"}', "'training_s' must be a number of 0 or more, is 'long'"),
        ("cost.json", "{", "cannot be read: Expecting"),
        ("eval/val/labels.csv", "label,dice\n1,0.5\n", "lacks the columns pair"),
    ],
)
def test_a_malformed_side_file_leaves_the_result(runs: Path, file: str, content: str, words: str) -> None:
    path = next(runs.glob("fusion0000*")) / file
    path.write_text(content)
    records = load(runs)
    assert records.complete
    assert len(records.problems) == 1
    assert str(path) in records.problems[0]
    assert words in records.problems[0]


def test_metrics_without_a_column_are_nan(runs: Path) -> None:
    path = next(runs.glob("fusion0000*")) / "eval" / "val" / "pairs.csv"
    pd.read_csv(path)[["pair", "block", "dice"]].to_csv(path, index=False)
    records = load(runs)
    read = records.pairs[(records.pairs["arm"] == "AutoFuse") & (records.pairs["seed"] == "0")]
    assert read["hd95_mm"].isna().all()
    assert read["dice"].notna().all()


def test_losses_may_be_infinite(runs: Path) -> None:
    (next(runs.glob("fusion0000*")) / "history.csv").write_text("step,loss,val_dice\n1,inf,0.5\n2,nan,\n")
    history = load(runs).history
    assert history[(history["arm"] == "AutoFuse") & (history["seed"] == "0")]["loss"].isna().all()


def test_several_folders_are_joined(tmp_path: Path) -> None:
    folders = write_records(tmp_path / "one", Records(seeds=2))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    shutil.rmtree(tmp_path / "one" / folders["early", "1"].name)
    shutil.rmtree(tmp_path / "two" / folders["late", "0"].name)
    joined = load_studies([tmp_path / "one", tmp_path / "two"])
    assert len(joined) == 1
    assert joined[0].complete


def test_seeds_of_two_folders_are_joined(tmp_path: Path) -> None:
    write_records(tmp_path / "one", Records(seeds=1))
    write_records(tmp_path / "two", Records(seeds=1))
    study = tmp_path / "two" / "studies" / "fusion.json"
    definition = json.loads(study.read_text())
    for arm in definition["arms"][:-1]:
        key = arm["keys"].pop("0")
        arm["keys"]["1"] = f"x{key}"
        shutil.move(tmp_path / "two" / key, tmp_path / "two" / f"x{key}")
        edit(tmp_path / "two" / f"x{key}" / "record.json", key=f"x{key}")
    study.write_text(json.dumps(definition))
    records = load_studies([tmp_path / "one", tmp_path / "two"])[0]
    assert records.trials.groupby("arm")["seed"].nunique().to_dict() == {
        "AutoFuse": 2,
        "early": 2,
        "identity": 1,
        "late": 2,
    }
    assert records.complete


def test_a_contradicting_definition_is_left_out(tmp_path: Path) -> None:
    write_records(tmp_path / "one")
    write_records(tmp_path / "two", Records(definition={"question": "Another?"}))
    records = load_studies([tmp_path / "one", tmp_path / "two"])[0]
    assert "defines the study differently from a folder before it (question)" in records.problems[0]


def test_mixed_records_are_said(runs: Path) -> None:
    path = next(runs.glob("fusion0000*")) / "record.json"
    configuration = json.loads(path.read_text())["configuration"]
    edit(path, configuration=configuration | {"numerics": 2, "dataset": {"fingerprint": "other"}})
    problems = load(runs).problems
    assert any("mix 2 versions of the numerics" in problem for problem in problems)
    assert any("mix 2 fingerprints of the data" in problem for problem in problems)


def test_precision_is_what_was_measured_and_else_what_was_asked_for(runs: Path) -> None:
    for folder in runs.glob("fusion0[01]00*"):
        configuration = json.loads((folder / "record.json").read_text())["configuration"]
        edit(folder / "record.json", configuration=configuration | {"budget": {"precision": "bfloat16"}})
    edit(next(runs.glob("fusion0000*")) / "measured.json", precision="float32")
    records = load(runs)
    assert sorted(records.trials["precision"].dropna()) == ["bfloat16", "float32"]
    assert any("mix 2 precisions of training (bfloat16, float32)" in problem for problem in records.problems)


def test_labels_that_groups_share_are_told_apart(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2]))
    path = tmp_path / "studies" / "fusion.json"
    definition = json.loads(path.read_text())
    definition["arms"].append(definition["arms"][1] | {"group": "matched by FLOPs"})
    path.write_text(json.dumps(definition))
    assert list(load(tmp_path).arms["arm"]) == ["AutoFuse", "early (published widths)", "early (matched by FLOPs)"]


def test_nothing_to_report_says_what_was_sought(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(NothingToReportError, match="is not a folder of runs"):
        load_studies([tmp_path / "nowhere"])
    with pytest.raises(NothingToReportError, match="no study named 'speed'; there are: fusion"):
        load_studies([runs], study="speed")
    (runs / "studies" / "fusion.json").write_text(
        '{"format": 1, "name": "fusion", "reported_split": "val", "arms": []}'
    )
    with pytest.raises(NothingToReportError, match=r"no readable study .*\n.*fusion.json: lists no arms"):
        load_studies([runs])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": "all"}, "'arms' must be a list"),
        ({"arms": [{"label": "a"}]}, "arm 1: lacks 'keys'"),
        ({"arms": ["a"]}, "arm 1: must be an object"),
        ({"arms": [{"label": "a", "keys": {"first": "k"}}]}, "'keys' must map seeds to keys"),
    ],
)
def test_a_malformed_study_is_named(runs: Path, changes: dict[str, Any], words: str) -> None:
    edit(runs / "studies" / "fusion.json", **changes)
    with pytest.raises(NothingToReportError, match=words):
        load_studies([runs])


def test_pictures_are_read_without_pickle(tmp_path: Path) -> None:
    write_records(tmp_path, Records(arms=ARMS[:2], seeds=1, pictures=True))
    pictures = load(tmp_path).pictures["early"]
    assert pictures.pairs["best"]["axis"] == 2
    path = pictures.path
    assert read_pictures(path)["best_fixed"].dtype == np.uint8
    np.savez(path, best_fixed=np.array([{}], dtype=object))
    with pytest.raises(RecordError, match="cannot be read as pictures"):
        read_pictures(path)
