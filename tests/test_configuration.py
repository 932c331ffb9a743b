"""What a trial is: keys follow its configuration alone, and budgets are found by name."""

from dataclasses import replace

import pytest

from fusemorph.configuration import BUDGETS, Budget, Trial, find_budget

TRIAL = Trial(method={"name": "identity"}, dataset={"name": "d", "fingerprint": "f"}, budget=None, seed=0)


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
