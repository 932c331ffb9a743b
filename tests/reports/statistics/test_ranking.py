"""Ranks against hand-worked cases, scipy and scikit-posthocs; the bootstrap against what must hold of any."""

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from matplotlib.figure import Figure
from scipy import stats

from reports.analysis.significance import Certainty, pairwise, square
from reports.dataframe import comparison_of
from reports.plots import significance as significance_plots
from reports.statistics.intervals import blocks_better, difference_interval, holm, paired_effect
from reports.statistics.ranking import friedman, least_p, mean_ranks, stability, wilcoxon_holm
from reports.tables.significance import rank_quantile


@pytest.fixture
def table(rng: np.random.Generator) -> pd.DataFrame:
    """Ten blocks of four arms, one of them clearly better."""
    return pd.DataFrame(rng.normal([0.7, 0.7, 0.71, 0.8], 0.02, (10, 4)), columns=list("abcd"))


def test_ranks_by_hand() -> None:
    table = pd.DataFrame({"a": [0.9, 0.8, 0.5], "b": [0.7, 0.8, 0.6], "c": [0.1, 0.2, 0.7]})
    # Ranks of a: 1, 1.5, 3; of b: 2, 1.5, 2; of c: 3, 3, 1.
    assert mean_ranks(table, higher_is_better=True).to_list() == pytest.approx([5.5 / 3, 5.5 / 3, 7 / 3])
    assert mean_ranks(table, higher_is_better=False).to_list() == pytest.approx([6.5 / 3, 6.5 / 3, 5 / 3])


def test_friedman_by_hand_and_scipy(table: pd.DataFrame) -> None:
    result = friedman(table)
    sums = 10 * mean_ranks(table, higher_is_better=False)
    by_hand = 12 / (10 * 4 * 5) * float((sums**2).sum()) - 3 * 10 * 5
    assert result.statistic == pytest.approx(by_hand)
    assert result.p_value == pytest.approx(stats.friedmanchisquare(*table.to_numpy().T).pvalue)
    assert result.p_value == pytest.approx(stats.chi2.sf(by_hand, 3))
    assert result.reason == ""


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pd.DataFrame(np.eye(2)), "it needs 3 arms, there are 2"),
        (pd.DataFrame(np.eye(3)), "it needs 6 blocks, there are 3"),
        (pd.DataFrame(np.ones((8, 3))), "all arms are equal in every block"),
    ],
)
def test_friedman_says_why_there_is_none(table: pd.DataFrame, reason: str) -> None:
    assert friedman(table).reason == reason
    assert np.isnan(friedman(table).p_value)


def test_wilcoxon_is_scipys_with_holms_correction(table: pd.DataFrame) -> None:
    pairs = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    expected = holm([stats.wilcoxon(table[first], table[second]).pvalue for first, second in pairs])
    given = wilcoxon_holm(table)
    assert [given.loc[pair] for pair in pairs] == pytest.approx(expected)
    assert [given.loc[pair[::-1]] for pair in pairs] == pytest.approx(expected)
    assert np.diag(given).tolist() == [1.0] * 4


def test_wilcoxon_is_scikit_posthocs_own(table: pd.DataFrame) -> None:
    melted = table.melt(var_name="arm", value_name="value")
    expected = scikit_posthocs.posthoc_wilcoxon(melted, val_col="value", group_col="arm", p_adjust="holm")
    pd.testing.assert_frame_equal(wilcoxon_holm(table), expected)


def test_equal_arms_are_not_told_apart(table: pd.DataFrame) -> None:
    p_values = wilcoxon_holm(table.assign(e=table["a"]))
    assert p_values.loc["a", "e"] == 1.0
    assert p_values.notna().all(axis=None)


def test_least_p_is_what_wilcoxon_can_reach() -> None:
    better = pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8.0) + np.linspace(1, 2, 8)})
    assert wilcoxon_holm(better).loc["a", "b"] == pytest.approx(least_p(8, 2))
    assert least_p(10, 10) == pytest.approx(45 / 512)


def test_stability_of_what_is_certain() -> None:
    blocks = np.linspace(0.6, 0.8, 6)
    values = {"worse": np.tile(blocks, (3, 1)), "better": np.tile(blocks + 0.1, (3, 1)), "floor": blocks[None] - 0.3}
    shares = stability(values, higher_is_better=True, generator=np.random.default_rng(0), resamples=50)
    expected = pd.DataFrame([[0, 1, 0], [1, 0, 0], [0, 0, 1]], index=list(values), columns=[1, 2, 3], dtype=float)
    pd.testing.assert_frame_equal(shares, expected)


def test_stability_shares_ties_and_sums_to_one(rng: np.random.Generator) -> None:
    same = rng.normal(0.7, 0.05, (3, 8))
    equal = stability({"a": same[:1], "b": same[:1]}, higher_is_better=True, generator=rng, resamples=20)
    assert equal.to_numpy() == pytest.approx(0.5)
    values = {name: rng.normal(0.7, 0.05, (3, 8)) for name in "abcd"}
    shares = stability(values, higher_is_better=False, generator=rng)
    assert shares.sum(axis=0).to_numpy() == pytest.approx(1)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)


def test_stability_draws_seeds_and_blocks() -> None:
    """One seed in two is far better: a draw of two seeds has it never in a quarter of all draws."""
    values = {"a": np.array([[0.0] * 5, [1.0] * 5]), "b": np.full((2, 5), 0.25)}
    first = stability(values, higher_is_better=True, generator=np.random.default_rng(1))[1]
    assert first["a"] == pytest.approx(0.75, abs=0.03)


def test_rank_quantile() -> None:
    shares = pd.Series([0.02, 0.5, 0.46, 0.02], index=[1, 2, 3, 4])
    assert (rank_quantile(shares, 0.025), rank_quantile(shares, 0.975)) == (2, 3)


def test_effect_sizes_by_hand() -> None:
    first, second = [[0.4, 0.6, 0.8]], [[0.3, 0.4, 0.5]]
    assert paired_effect(first, second) == pytest.approx(0.2 / 0.1)
    assert blocks_better(first, second, higher_is_better=True) == 3
    assert blocks_better(first, second, higher_is_better=False) == 0
    assert np.isnan(paired_effect([[0.4, 0.5]], [[0.3, 0.4]]))


@pytest.fixture
def records(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {"arm": arm, "seed": seed, "pair": f"{pair}", "block": f"{pair // 2}", "dice": mean + rng.normal(0, 0.01)}
        for arm, mean in (("low", 0.6), ("high", 0.7), ("same", 0.7), ("other", 0.7))
        for seed in range(3)
        for pair in range(16)
    ]
    return pd.DataFrame(rows)


def test_pairwise_is_corrected_over_all_pairs(records: pd.DataFrame) -> None:
    comparison = comparison_of(records)
    pairs = pairwise(comparison)
    assert len(pairs) == 6
    assert pairs["p_holm"].to_numpy() == pytest.approx(holm(pairs["p_value"]))
    assert list(pairs[pairs["second"] == "low"]["verdict"]) == ["higher"] * 3, "the better one comes first"
    first, second = comparison.blocks.means(["high", "same"])
    row = pairs[pairs["first"].isin(["high", "same"]) & pairs["second"].isin(["high", "same"])].iloc[0]
    assert row["p_value"] == pytest.approx(difference_interval(first, second).p_value)


def test_square_is_antisymmetric(records: pd.DataFrame) -> None:
    comparison = comparison_of(records)
    whole = square(pairwise(comparison), "difference", signed=True)
    assert list(whole.index) == list(whole.columns) == list(comparison.ranked_methods["arm"])
    assert whole.index[-1] == "low"
    np.testing.assert_allclose(whole.fillna(0), -whole.fillna(0).T)
    assert np.isnan(np.diag(whole)).all()


def test_the_diagram_joins_what_is_not_told_apart(records: pd.DataFrame) -> None:
    certainty = Certainty(comparison_of(records))
    ax = Figure().subplots()
    drawn = significance_plots.critical_difference(
        ax, certainty.ranks, certainty.wilcoxon, dict.fromkeys(certainty.ranks.index, "#0072b2")
    )
    assert {text.get_text().split(" (")[0].split(") ")[-1] for text in drawn.texts} == set(certainty.ranks.index)
    bars = [line for line in ax.lines if line.get_marker() == "o"]
    assert bars
    ends: list[list[float]] = [np.asarray(line.get_xdata()).tolist() for line in bars]
    assert all(span == sorted(span) for span in ends)
    spans = [(min(span), max(span)) for span in ends]
    assert all(low >= certainty.ranks.min() and high <= certainty.ranks.max() for low, high in spans)


def test_the_ranking_is_the_same_every_time(records: pd.DataFrame) -> None:
    first, again = (Certainty(comparison_of(records)).stability for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
