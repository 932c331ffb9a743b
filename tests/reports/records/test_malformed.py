"""Thin, broken and mixed records: plain statements of what can't be said, never a claim, never a trace."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.analysis.comparison import Comparison, compare, compare_studies
from reports.analysis.significance import Certainty
from reports.analysis.summary import PRICE, SURE, summary
from reports.figures.significance import significance_figures
from reports.records.loading import load_studies
from reports.tables.study import all_tables
from tests.reports.records_fixture import ARMS, Arm, Records, write_records

Folders = dict[tuple[str, str], Path]


def words_of(runs: Path) -> str:
    """All that the report says in words, from tables and drawings that are composed and not saved."""
    comparison = compare_studies([runs])[0]
    certainty = Certainty(comparison)
    tables = all_tables(certainty).values()
    sentences = [*summary(comparison).values(), *comparison.notes, *comparison.records.problems]
    sentences += [captioned.caption for captioned in significance_figures(certainty)] + [
        table.markdown() for table in tables
    ]
    return "\n".join(sentences)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_pairs(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / "eval" / "val" / "pairs.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)


def two_versions(folders: Folders) -> None:
    for seed in "012":
        path = folders["early", seed] / "record.json"
        edit(path, configuration=json.loads(path.read_text())["configuration"] | {"numerics": 2})


def one_arm_of_two_versions(folders: Folders) -> None:
    path = folders["early", "1"] / "record.json"
    edit(path, configuration=json.loads(path.read_text())["configuration"] | {"numerics": 2})


def two_formats(folders: Folders) -> None:
    for seed in "012":
        edit(folders["early", seed] / "record.json", format=2)


def missing_columns(folders: Folders) -> None:
    for seed in "012":
        change_pairs(folders["early", seed], lambda pairs: pairs.drop(columns="dice"))


def nan_metrics(folders: Folders) -> None:
    for seed in "012":
        change_pairs(folders["early", seed], lambda pairs: pairs.assign(dice=np.nan))


def ties(folders: Folders) -> None:
    for seed in "012":
        path = folders["early", seed] / "eval" / "val" / "pairs.csv"
        path.write_text((folders["AutoFuse", seed] / "eval" / "val" / "pairs.csv").read_text())


def no_shared_pairs(folders: Folders) -> None:
    for seed in "012":
        change_pairs(folders["early", seed], lambda pairs: pairs.assign(pair=pairs["pair"] + "x"))


BROKEN = [
    (two_versions, "no claim: mixed versions", "the trials mix 2 versions of the numerics (1, 2)"),
    (one_arm_of_two_versions, "no claim: mixed versions", "Trials of early are of several versions"),
    (two_formats, "no result", "has format 2; this report reads format 1"),
    (missing_columns, "no result", "lacks the columns dice"),
    (nan_metrics, "no claim: no values", "early: 120 of its 120 evaluations have no Dice; left out."),
    (ties, "no difference shown", "No difference in mean Dice is shown between AutoFuse and the other trained arm"),
    (no_shared_pairs, "no claim: no values", "differences use the pairs that both arms have in every seed"),
]


@pytest.mark.parametrize(
    ("break_records", "verdict", "statement"), BROKEN, ids=lambda case: getattr(case, "__name__", "")
)
def test_broken_records_say_what_is_not_known(
    tmp_path: Path, break_records: Callable[[Folders], None], verdict: str, statement: str
) -> None:
    break_records(write_records(tmp_path / "runs", Records(arms=ARMS[:2], block_arm_effect=0.0005)))
    text = words_of(tmp_path / "runs")
    assert statement in text
    assert verdict in text
    assert "| nan |" not in text
    row = compare_studies([tmp_path / "runs"])[0].arms.set_index("arm").loc["early"]
    assert row["verdict"] not in ("higher", "lower")
    assert verdict in ("no result", row["verdict"])


def test_nothing_is_claimed_of_mixed_versions_however_far_apart(tmp_path: Path) -> None:
    far = Arm(label="early", plan="jjjjjjj", dice=0.4)
    folders = write_records(tmp_path, Records(arms=(ARMS[0], far, ARMS[2])))
    assert arm(compared(tmp_path), "early")["verdict"] == "lower"
    two_versions(folders)
    mixed = compared(tmp_path)
    assert arm(mixed, "early")["verdict"] == "no claim: mixed versions"
    assert np.isnan(arm(mixed, "early")["difference"])
    assert "no claim can be made about early against AutoFuse (mixed versions)" in summary(mixed)[SURE]
    assert arm(mixed, "late")["verdict"] != "no claim: mixed versions"


def test_equal_trainings_without_any_spread_claim_nothing(tmp_path: Path) -> None:
    flat = {"block_effect": 0.0, "block_arm_effect": 0.0, "seed_effect": 0.0, "noise": 0.0}
    write_records(tmp_path, Records(arms=ARMS[:2], **flat))  # type: ignore[arg-type]
    assert arm(compared(tmp_path), "early")["verdict"] == "no claim: no variation between blocks or seeds"


@pytest.mark.parametrize(
    ("records", "statement"),
    [
        ({"seeds": 1}, "No claim can be made about early against AutoFuse (one seed)."),
        ({"blocks": 1}, "No claim can be made about early against AutoFuse (one block)."),
        ({"seeds": 1, "blocks": 1}, "Fewer than two arms or two shared blocks: nothing is drawn."),
        ({"blocks": 3}, "No Friedman test: it needs 3 arms, there are 2."),
        ({"arms": ARMS[:1]}, "Nothing is compared: AutoFuse is the only arm with an evaluated trial."),
        ({"arms": ARMS[3:]}, "Nothing is compared: identity is the only arm with an evaluated trial."),
    ],
)
def test_thin_records_say_so(tmp_path: Path, records: dict[str, object], statement: str) -> None:
    write_records(tmp_path / "runs", Records(**{"arms": ARMS[:2]} | records))  # type: ignore[arg-type]
    text = words_of(tmp_path / "runs")
    assert statement in text
    assert "| nan |" not in text


def test_a_better_dice_at_a_rougher_field_is_said(tmp_path: Path) -> None:
    rough = Arm(label="rough", plan="------s", dice=0.8, roughness=0.6)
    write_records(tmp_path, Records(arms=(ARMS[0], rough)))
    answers = summary(compared(tmp_path))
    assert answers[SURE].startswith("rough has a higher mean Dice than AutoFuse.")
    assert re.search(r"SD log J 0\.6\d\d, rougher than the baseline's 0\.3", answers[PRICE])


def compared(runs: Path) -> Comparison:
    return compare(load_studies([runs])[0])


def arm(comparison: Comparison, name: str) -> "pd.Series[Any]":
    return comparison.arms.set_index("arm").T[name]
