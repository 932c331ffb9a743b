"""Records: whole or not at all, never overwritten, versions told apart."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fusemorph.configuration import BUDGETS, Budget, Trial, find_budget
from fusemorph.records import RecordError, StorageError, TrialFolder, read_record, write_bytes

TRIAL = Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=0)


def finished(runs: Path) -> TrialFolder:
    folder = TrialFolder(runs, TRIAL)
    folder.begin({"parameters": 0})
    folder.finish({"parameters": 0}, history=[{"step": 1, "val_dice": float("nan")}], measured={"threads": 1})
    return folder


def test_a_trial_runs_then_finishes(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    assert folder.status() is None
    folder.begin({})
    assert folder.status() == "running"
    finished(tmp_path)
    assert folder.status() == "finished"
    assert (folder.path / "history.csv").read_text() == "step,val_dice\n1,\n"


def test_halves_of_checkpoints_go_and_the_checkpoint_stays(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    folder.begin({})
    half = folder.checkpoint.with_name(f".{folder.checkpoint.name}.0123abcd")
    for path in (folder.checkpoint, half):
        path.write_bytes(b"weights")
    folder.begin({})
    assert folder.checkpoint.exists()
    assert not half.exists()


def test_what_has_ended_is_never_overwritten(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    before = (folder.path / "record.json").read_bytes()
    with pytest.raises(RecordError, match=r"record\.json has ended as finished"):
        folder.finish({}, measured={})
    with pytest.raises(RecordError, match="never overwritten"):
        folder.fail("reason", measured={})
    assert (folder.path / "record.json").read_bytes() == before


def test_an_evaluation_is_written_once_and_whole(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    folder.write_evaluation("val", {"pairs.csv": b"a", "summary.json": b"{}"})
    assert folder.evaluated("val")
    assert not folder.evaluated("test")
    with pytest.raises(RecordError, match="eval/val is there already"):
        folder.write_evaluation("val", {"pairs.csv": b"b"})
    folder.write_evaluation("test", {"summary.json": b"{}"})
    assert (folder.path / "eval" / "val" / "pairs.csv").read_bytes() == b"a"


def test_half_an_evaluation_is_named(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    (folder.path / "eval" / "val").mkdir(parents=True)
    with pytest.raises(RecordError, match="eval/val is half written"):
        folder.evaluated("val")


def test_a_failed_trial_can_be_tried_again_and_its_record_is_kept(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path, TRIAL)
    folder.fail("the loss is not finite", measured={})
    folder.reopen_failed()
    assert folder.status() is None
    kept = list(folder.path.glob("failed-*.json"))
    assert json.loads(kept[0].read_text())["reason"] == "the loss is not finite"


def test_a_full_disk_names_the_file_and_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_bytes(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"record\.json: no space left on the disk"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object"),
        ('{"format": 1}', "half written"),
        ('{"format": 1, "key": "k", "status": "finished", "configuration": {"numerics": 0}}', "another version"),
    ],
)
def test_damaged_records_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(RecordError, match=rf"record\.json.*{message}"):
        read_record(tmp_path)


def test_a_record_of_another_configuration_is_refused(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    other = TrialFolder(tmp_path, replace(TRIAL, seed=1))
    folder.path.rename(other.path)
    with pytest.raises(RecordError, match="another configuration"):
        other.status()


def test_keys_follow_the_configuration_alone() -> None:
    assert TRIAL.key == replace(TRIAL).key
    changed = [replace(TRIAL, seed=1), replace(TRIAL, method={"name": "oracle"}), replace(TRIAL, budget={"steps": 1})]
    assert len({TRIAL.key, *(trial.key for trial in changed)}) == 4


def test_budgets_by_name() -> None:
    assert {"smoke", "quick", "standard", "paper"} <= set(BUDGETS)
    with pytest.raises(ValueError, match="unknown budget 'huge'; known: smoke"):
        find_budget("huge")


def test_a_budget_may_be_asked_for_with_other_steps() -> None:
    assert find_budget("search-80") == replace(BUDGETS["search"], steps=80)
    for wrong in ("search-", "search-long", "huge-80", "-80"):
        with pytest.raises(ValueError, match=f"unknown budget '{wrong}'.*search-80"):
            find_budget(wrong)
    with pytest.raises(ValueError, match="'steps' must be positive"):
        find_budget("search-0")


def test_validation_steps_end_with_the_last() -> None:
    budget = Budget(steps=10, width=2, learning_rate=1.0, validations=3)
    assert budget.validation_steps() == (3, 7, 10)
    assert replace(budget, steps=2).validation_steps() == (1, 2)
