"""Records may come from anybody: what a report cannot read is a named problem, and the rest is drawn."""

import gc
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusemorph.storage import RecordError
from reports.analysis.comparison import compare_studies
from reports.analysis.significance import Certainty
from reports.checklist.checklist import checklist
from reports.records import NothingToReportError
from reports.records.contents import MOST_NESTED, read_object
from reports.records.files import LONGEST_STEM, MOST_PICTURE_BYTES, file_stem, read_pairs, read_pictures
from reports.records.loading import load_studies
from reports.tables.provenance import provenance
from reports.tables.study import all_tables
from tests.reports.records_fixture import ARMS, Records, write_records


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_records(folder, Records(arms=ARMS[:2], seeds=1, blocks=3))
    return folder


@pytest.fixture
def small(written: Path, tmp_path: Path) -> Path:
    """A small study whose files may be changed."""
    shutil.copytree(written, tmp_path / "runs")
    return tmp_path / "runs"


def trial_folder(runs: Path) -> Path:
    return next(path for path in sorted(runs.iterdir()) if (path / "record.json").is_file())


def change(path: Path, place: str, value: Any) -> None:
    """Set one value of a JSON file; dots lead into its objects."""
    content = json.loads(path.read_text()) if path.is_file() else {}
    *folders, last = place.split(".")
    inner = content
    for name in folders:
        inner = inner.setdefault(name, {})
    inner[last] = value
    path.write_text(json.dumps(content))


def say_everything(runs: Path) -> tuple[str, ...]:
    """The problems of the one study, once all its tables have been made."""
    (comparison,) = compare_studies([runs])
    for table in [*all_tables(Certainty(comparison)).values(), provenance(comparison.records)]:
        table.markdown()
    checklist([comparison], []).markdown()
    assert len(comparison.evaluated) >= 1
    return comparison.records.problems


@pytest.mark.parametrize(
    ("file", "place", "value", "words"),
    [
        ("record.json", "parameters", 10**19, "a whole number of more than 64 bits"),
        ("record.json", "parameters", -5, "'parameters' must be a number of 0 or more, is -5"),
        ("record.json", "flops", float("inf"), "Infinity, which is not JSON"),
        ("record.json", "plan", ["jjjjjjj"], "'plan' must be a string"),
        ("record.json", "configuration.numerics", {"version": 1}, "'numerics' must be a whole number or a string"),
        ("record.json", "configuration.dataset", ["hippocampus"], "'dataset' must be an object"),
        ("record.json", "configuration.dataset.fingerprint", ["a"], "'fingerprint' must be a string"),
        ("measured.json", "threads", float("inf"), "Infinity, which is not JSON"),
        ("measured.json", "training_s", float("nan"), "NaN, which is not JSON"),
        ("measured.json", "training_s", -1.0, "'training_s' must be a number of 0 or more, is -1.0"),
        ("measured.json", "device", {"name": "cpu"}, "'device' must be a string"),
        ("measured.json", "commit", 7, "'commit' must be a string, is 7"),
        ("cost.json", "latency_s", [0.1], "'latency_s' must be a number of 0 or more"),
    ],
)
def test_a_wrong_value_in_a_trial_is_a_named_problem(
    small: Path, file: str, place: str, value: Any, words: str
) -> None:
    path = trial_folder(small) / file
    change(path, place, value)
    problems = say_everything(small)
    assert any(str(path) in problem and words in problem for problem in problems), problems


@pytest.mark.parametrize("content", ['{"a": ' * 5_000 + "1" + "}" * 5_000, '{"threads": 1' + "0" * 5_000 + "}"])
def test_depths_and_long_numbers_are_named_problems(small: Path, content: str) -> None:
    path = trial_folder(small) / "measured.json"
    path.write_text(content)
    assert any(problem.startswith(f"{path} cannot be read") for problem in say_everything(small))


def test_json_that_is_nested_deeper_than_anything_needs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    for levels, fits in ((MOST_NESTED, True), (MOST_NESTED + 1, False)):
        path.write_text('{"a": ' * levels + "1" + "}" * levels)
        if fits:
            assert read_object(path)
        else:
            with pytest.raises(RecordError, match="nested more than 40 levels deep"):
                read_object(path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("reported_split", "../../outside", "'reported_split' must name a folder"),
        ("question", ["why"], "'question' must be a string"),
        ("seeds", 3, "'seeds' must be a list"),
        ("dataset", "hippocampus", "'dataset' must be an object"),
        ("protocol", "one line", "'protocol' must be a list"),
        ("arms", [{"label": "a", "keys": {"0": "../../outside"}}], "'keys' must map seeds to keys of trials"),
        ("arms", [{"label": "a", "keys": {"0": "/etc"}}], "'keys' must map seeds to keys of trials"),
        ("arms", [{"label": "a", "keys": {"²": "0123456789abcdef"}}], "'keys' must map seeds to keys of trials"),
        ("arms", [{"label": "a", "group": ["x"], "keys": {}}], "arm 1: 'group' must be a string"),
    ],
)
def test_a_wrong_value_in_a_study_is_named(small: Path, place: str, value: Any, words: str) -> None:
    """The other studies are there; without one, the message says what is wrong."""
    path = small / "studies" / "fusion.json"
    shutil.copy(path, small / "studies" / "other.json")
    change(small / "studies" / "other.json", "name", "other")
    change(path, place, value)
    (records,) = load_studies([small])
    assert records.name == "other"
    assert any(str(path) in problem and words in problem for problem in records.problems), records.problems
    (small / "studies" / "other.json").unlink()
    with pytest.raises(NothingToReportError, match=r"fusion\.json"):
        load_studies([small])


def test_nothing_outside_the_folders_is_read(small: Path) -> None:
    """A trial beside the run folder is not reached by a key that leads there."""
    outside = trial_folder(small).rename(small.parent / "outside")
    path = small / "studies" / "fusion.json"
    study = json.loads(path.read_text())
    study["arms"][0]["keys"] = {"0": f"../{outside.name}"}
    path.write_text(json.dumps(study))
    with pytest.raises(NothingToReportError, match="keys of trials"):
        load_studies([small])


def test_values_beyond_all_measure_are_named(small: Path) -> None:
    path = trial_folder(small) / "eval" / "val" / "pairs.csv"
    lines = path.read_text().splitlines()
    column = lines[0].split(",").index("hd95_mm")
    cells = lines[1].split(",")
    cells[column] = "1e300"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    with pytest.raises(RecordError, match="'hd95_mm' holds a value above 1e\\+12 in row 1"):
        read_pairs(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY\x01\x00", b"text"])
def test_damaged_pictures_are_named_and_their_file_is_closed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"pictures\.npz: cannot be read as pictures"):
        read_pictures(path)
    gc.collect()  # a file left open is an error here
    if Path("/proc/self/fd").is_dir():
        assert path not in {Path(os.path.realpath(f"/proc/self/fd/{number}")) for number in os.listdir("/proc/self/fd")}


def test_pictures_that_unpack_to_gigabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pictures.npz"
    np.savez_compressed(path, flat=np.zeros(MOST_PICTURE_BYTES + 1, dtype=np.uint8), allow_pickle=False)
    assert path.stat().st_size < 2**20
    with pytest.raises(RecordError, match=r"pictures\.npz: .*unpacks to 268,4.* bytes, more than 268,435,456"):
        read_pictures(path)


@pytest.mark.parametrize("name", ["a" * 500, "", "..", "///", "fusion"])
def test_names_of_files_are_short_and_stay_in_their_folder(name: str) -> None:
    stem = file_stem(name)
    assert 0 < len(stem) <= LONGEST_STEM
    assert "/" not in stem
    assert stem.strip(".-")
    assert name != "fusion" or stem == name


def test_texts_are_on_one_line_and_without_controls(tmp_path: Path) -> None:
    path = tmp_path / "text.json"
    path.write_text(json.dumps({"reason": "red \x1b[31m\nline\ttab \u202e \ud800 naïve → x̄"}))
    assert read_object(path)["reason"] == "red \ufffd[31m line tab \ufffd \ufffd naïve → x̄"
