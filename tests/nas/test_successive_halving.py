"""Successive halving, judged from the tables of the peers."""

from pathlib import Path

import pytest

from fusemorph.configuration import BUDGETS, Budget
from fusemorph.storage import table, write_bytes, write_json
from nas.successive_halving import SuccessiveHalving, rungs_of

RULE = SuccessiveHalving(study="s", seed=0, rungs=(50, 100))


def judge(runs: Path, dice: float, others: list[float], *, step: int = 50) -> str | None:
    """The judgement of a trial with that val Dice, among peers that have come to the same step."""
    arms = []
    for number, value in enumerate([dice, *others]):
        write_bytes(runs / f"k{number}" / "history.csv", table([{"step": step, "val_dice": value}]))
        arms.append({"keys": {"0": f"k{number}"}})
    write_json(runs / "studies" / "s.json", {"arms": arms})
    return RULE(runs, [{"step": step, "val_dice": dice}])


@pytest.mark.parametrize(
    ("dice", "others", "stops"),
    [
        (0.5, [], False),  # nobody to compare with
        (0.5, [0.6], True),
        (0.6, [0.5], False),
        (0.6, [0.5, 0.7], True),  # the best 1 of 3
        (0.6, [0.5, 0.7, 0.4], False),  # the best 2 of 4
        (0.6, [0.6, 0.6], False),  # a tie goes on
        (0.6, [float("nan"), 0.5], False),  # a peer without a number is none
    ],
)
def test_the_best_half_goes_on(tmp_path: Path, dice: float, others: list[float], stops: bool) -> None:
    reason = judge(tmp_path, dice, others)
    assert (reason is not None) == stops
    assert reason is None or "stopped at step 50: val Dice" in reason


def test_between_the_rungs_nothing_is_judged(tmp_path: Path) -> None:
    assert judge(tmp_path, 0.1, [0.9, 0.9], step=75) is None


def test_peers_of_another_seed_and_without_a_table_do_not_count(tmp_path: Path) -> None:
    judge(tmp_path, 0.5, [0.9])
    write_json(tmp_path / "studies" / "s.json", {"arms": [{"keys": {"0": "k0"}}, {"keys": {"1": "k1", "0": "none"}}]})
    assert RULE(tmp_path, [{"step": 50, "val_dice": 0.5}]) is None


def test_rungs_are_validation_steps_before_the_last() -> None:
    assert rungs_of(BUDGETS["search"]) == (75, 112)
    assert rungs_of(BUDGETS["standard"]) == (500, 700)
    assert rungs_of(Budget(steps=90, width=2, learning_rate=1e-3, validations=9)) == (40, 70)


def test_smoke_budgets_never_stop_early() -> None:
    assert rungs_of(BUDGETS["smoke"]) == ()
