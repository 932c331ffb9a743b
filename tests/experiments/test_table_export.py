"""From a study's records to a table, and what the commands say of it."""

import json
from pathlib import Path

import pytest

from experiments.export import main as export
from experiments.ranking import main as ranking
from experiments.replay import main as replay
from fusemorph.configuration import Trial
from fusemorph.records import TrialFolder
from nas.table import read_table, write_table
from tests.nas.made_table import SPACE, made_table

BUDGET = {"name": "smoke", "steps": 4, "width": 2}


def record(runs: Path, plan: str, seed: int, *, failed: bool = False, dice: float = 0.6) -> str:
    """A trial's files, as a run folder holds them; its key."""
    trial = Trial(
        method={"name": "fusion", "plan": plan}, dataset={"name": "hippocampus"}, budget={"steps": 4}, seed=seed
    )
    folder, facts = TrialFolder(runs, trial), {"parameters": 10, "flops": 20}
    folder.begin(facts)
    if failed:
        folder.fail("it broke", measured={})
        return trial.key
    history = [
        {"step": step, "val_dice": score, "val_folding_fraction": 0.0, "val_sd_log_jacobian": 0.2}
        for step, score in ((2, 0.5), (4, dice))
    ]
    folder.finish(facts | {"step": 4}, history=history, measured={"training_s": 8.0})
    return trial.key


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two plans with two seeds, of which one training has failed, and another study that is no table."""
    runs = tmp_path / "runs"
    arms = [
        {
            "label": plan, "method": {"name": "fusion", "plan": plan},
            "keys": {str(s): record(runs, plan, s, failed=i == s == 1, dice=0.6 + 0.1 * i) for s in range(2)},
        }
        for i, plan in enumerate(("ggg/qqqq", "jjj/jjjj"))
    ]  # fmt: skip
    dataset = {"name": "hippocampus", "title": "Hippocampus", "licence": "CC-BY-SA 4.0", "source": "MSD"}
    study = {"dataset": dataset, "budget": BUDGET, "arms": arms}
    (runs / "studies").mkdir()
    (runs / "studies" / "mine.json").write_text(json.dumps(study | {"space": SPACE}))
    (runs / "studies" / "other.json").write_text(json.dumps(study))
    return runs


def test_a_table_holds_the_finished_trials_and_its_card_says_what_it_is(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "table.parquet"
    for _ in range(2):  # the same once more is no conflict
        assert export([str(runs), "mine", str(out), "--format", "table"]) == 0
    table = read_table(out)
    assert len(table.rows) == 6
    first = table.rows.iloc[0]
    assert (first["plan"], first["seed"], first["step"], first["seconds"]) == ("ggg/qqqq", 0, 2, 4.0)
    assert table.metadata["failed"] == [{"plan": "jjj/jjjj", "dataset": "hippocampus", "seed": 1, "reason": "it broke"}]
    card = out.with_suffix(".md").read_text()
    for said in ("space tiny", "CC-BY-SA 4.0", "2 plans, 2 seeds", "have no rows: 1", "## Limits"):
        assert said in card
    assert str(runs) not in card


def test_what_is_no_table_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, out, message in (
        ("other", "table.parquet", "is not a table: its arms are not the plans of a space"),
        ("mine,mine", "table.parquet", "a table takes each data set once"),
        ("mine", "table.csv", "writes a .parquet or .json file"),
        ("absent", "table.parquet", "absent.json"),
    ):
        assert export([str(runs), name, str(tmp_path / out), "--format", "table"]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_searches_are_replayed_and_estimates_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.json"
    write_table(made_table(plans=40, datasets=("hippocampus", "acdc")), path)
    assert (
        replay([str(path), "--searcher", "random", "--searcher", "evolution", "--repeats", "4", "--trials", "12"]) == 0
    )
    shown = capsys.readouterr().out
    assert "random: 4 replays over 40 plans" in shown
    assert "best, expected" in shown
    assert shown.count("\n12 ") == 2
    assert ranking([str(path)]) == 0
    shown = capsys.readouterr().out
    for name in ("another seed (ceiling)", "stopped at step 25 of 100", "parameters", "flops", "trained on acdc"):
        assert name in shown
    for wrong, message in (
        (["--searcher", "tpee"], "'tpee'"), (["--repeats", "0"], "--repeats must be at least 1, got 0"),
        (["--dataset", "ixi"], "no data set 'ixi'"),
    ):  # fmt: skip
        assert replay([str(path), *wrong]) == 2
        assert message in capsys.readouterr().err
    assert ranking([str(tmp_path / "absent.json")]) == 2
    assert "absent.json is not there" in capsys.readouterr().err
