"""Importance finds what was planted and nothing in noise; both methods agree with Optuna's where those can be asked."""

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from fusemorph.fusion.plan import enumerate_plans
from reports.records.levels import INACTIVE, settings
from reports.statistics import importance as module
from reports.statistics.forest import forest_variances
from reports.statistics.importance import FANOVA, PED_ANOVA, importance, ped_anova
from reports.statistics.main_effects import main_effects

PLANS = enumerate_plans("jsg")
SPACE = {"operators": "jsg", "parameters": []}


def simulated(seed: int, *, effect: float, candidates: int = 40) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """Random plans whose gains are noise of one, and ``effect`` more where stage 3 is a gate."""
    rng = np.random.default_rng(seed)
    plans = [PLANS[place] for place in rng.choice(len(PLANS), candidates, replace=False)]
    gains = rng.normal(size=candidates) + effect * np.array([plan[2] == "g" for plan in plans])
    return settings(pd.DataFrame({"plan": plans, "values": [{}] * candidates}), SPACE), pd.Series(gains)


def found_in(simulations: int, *, effect: float) -> dict[str, list[list[str]]]:
    """What each method shows to matter in each simulation."""
    found = [importance(*simulated(seed, effect=effect)) for seed in range(simulations)]
    return {method: [result.above_chance(method) for result in found if result] for method in (FANOVA, PED_ANOVA)}


@pytest.mark.slow
def test_an_evident_effect_is_found_in_ninety_of_a_hundred_and_none_in_noise() -> None:
    planted, null = found_in(100, effect=2.5), found_in(100, effect=0.0)
    for method in (FANOVA, PED_ANOVA):
        assert sum("stage 3" in named for named in planted[method]) >= 90
        assert sum(bool(set(named) - {"stage 3"}) for named in planted[method]) <= 10
        assert sum(bool(named) for named in null[method]) <= 10


def test_an_evident_effect_stands_alone() -> None:
    for shown in found_in(2, effect=4.0).values():
        assert shown == [["stage 3"], ["stage 3"]]


def test_ped_anova_calls_noise_noise() -> None:
    false = 0
    for seed in range(100):
        table, gains = simulated(seed, effect=0.0)
        values = ped_anova(table, gains.to_numpy(), shuffles=39, seed=seed)
        false += values[0].max() > np.sort(values[1:].max(axis=1))[-2]
    assert false <= 10


def test_ties_show_nothing() -> None:
    table, _ = simulated(0, effect=0.0)
    found = importance(table, pd.Series(0.3, index=table.index))
    assert found is not None
    assert (found.single["importance"] == 0).all()
    assert found.above_chance(FANOVA) == found.above_chance(PED_ANOVA) == []


def test_too_few_candidates_and_missing_gains_give_none() -> None:
    table, gains = simulated(0, effect=1.0)
    assert importance(table, gains.where(gains.index < module.FEWEST - 1)) is None
    assert importance(table.iloc[:0], gains.iloc[:0]) is None
    assert importance(table[[]], gains) is None


def test_one_setting_has_no_pairs() -> None:
    table, gains = simulated(1, effect=3.0)
    found = importance(table[["stage 3"]], gains)
    assert found is not None
    assert found.pairs.empty
    assert found.above_chance(FANOVA) == ["stage 3"]


def test_the_same_seed_gives_the_same_importance() -> None:
    first, second = (importance(*simulated(3, effect=1.0)) for _ in range(2))
    assert first is not None
    assert second is not None
    pd.testing.assert_frame_equal(first.single, second.single)


def test_fanova_splits_a_known_function_exactly() -> None:
    # Over the full design of two levels each: 2 a + b + 2 a xor b has variances 1, 1 / 4 and 1.
    design = pd.DataFrame([(a, b, c) for a in "01" for b in "01" for c in "01"] * 8, columns=["a", "b", "c"])
    gains = 2.0 * (design["a"] == "1") + (design["b"] == "1") + 2.0 * (design["a"] != design["b"])
    variances, total = forest_variances(design.astype("category"), gains.to_numpy())
    shares = variances / total
    assert shares[0, 0] == pytest.approx(4 / 9, abs=0.06)
    assert shares[1, 1] == pytest.approx(1 / 9, abs=0.04)
    assert shares[0, 1] == pytest.approx(4 / 9, abs=0.06)
    assert shares[2].max() < 0.02
    assert np.triu(shares).sum() == pytest.approx(1.0, abs=0.02)


def study_of(table: pd.DataFrame, gains: np.ndarray) -> optuna.Study:
    """The same candidates as an Optuna study; what is not active is no parameter of its trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for (_, row), gain in zip(table.iterrows(), gains, strict=True):
        levels = {str(name): level for name, level in row.items() if level not in ("dead", INACTIVE)}
        kinds: dict[str, BaseDistribution] = {
            n: CategoricalDistribution([c for c in table[n].cat.categories if c != "dead"]) for n in levels
        }
        study.add_trial(create_trial(params=levels, distributions=kinds, value=float(gain)))
    return study


def test_ped_anova_is_optunas() -> None:
    table, gains = simulated(5, effect=1.0, candidates=120)
    table = table[["stage 3", "stage 5", "stage 7"]]
    assert (table["stage 3"] == "dead").sum() > 1
    theirs = PedAnovaImportanceEvaluator(target_quantile=0.25).evaluate(study_of(table, gains.to_numpy()))
    ours = dict(zip(table, ped_anova(table, gains.to_numpy(), top=0.25)[0], strict=True))
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_fanova_agrees_with_optunas_where_every_setting_is_active() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({name: rng.choice(["u", "v", "w"], 300) for name in "abcd"}).astype("category")
    gains = 2.0 * (table["a"] == "u") + (table["b"] == "v") + rng.normal(0, 0.3, 300)
    theirs = FanovaImportanceEvaluator(n_trees=32, seed=0).evaluate(study_of(table, gains.to_numpy()))
    variances, total = forest_variances(table, gains.to_numpy())
    ours = dict(zip(table, variances.diagonal() / total, strict=True))
    for name in "abcd":
        assert ours[name] == pytest.approx(theirs[name], abs=0.04), name


def test_main_effects_by_hand() -> None:
    table = pd.DataFrame({"a": pd.Categorical(["x", "x", "x", "y"])})
    effects = main_effects(table, pd.Series([1.0, 2.0, 3.0, np.nan])).set_index("level")
    # Student's t with 2 degrees of freedom: 2 -+ 4.3027 / sqrt(3).
    assert effects[["mean", "low", "high"]].T["x"].tolist() == pytest.approx([2, 2 - 2.4841, 2 + 2.4841], abs=1e-3)
    assert "y" not in effects.index
    row = main_effects(table, pd.Series([1.0, 2.0, 3.0, 6.0])).set_index("level").loc["y"]
    assert (row["mean"], row["effect"], row["candidates"]) == (6, 3, 1)
    assert np.isnan(row["low"])


def test_settings_become_levels() -> None:
    space = {
        "operators": "",
        "parameters": [
            {"name": "gate.hard", "values": [False, True]},
            {"name": "loss.kl_weight", "low": 1e-4, "high": 1.0, "log": True},
        ],
    }
    values = [
        {"gate.hard": True, "loss.kl_weight": 1e-4},
        {"loss.kl_weight": 0.5},
        {"gate.hard": 7, "loss.kl_weight": 9},
    ]
    table = settings(pd.DataFrame({"plan": ["", "", ""], "values": values}), space)
    assert table["gate.hard"].tolist() == ["yes", INACTIVE, "7"]
    assert table["loss.kl_weight"].tolist() == ["0.0001 to 0.001", "0.1 to 1", "0.1 to 1"]
