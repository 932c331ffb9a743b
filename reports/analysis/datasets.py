"""One study on several data sets: what its arms score on each, and their ranks across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.records.files import as_object, file_stem
from reports.records.metric import Metric
from reports.statistics.interaction import Difference, Order, interactions, order_of
from reports.statistics.intervals import SEEDS_FOR_A_CLAIM, Interval
from reports.statistics.ranking import Friedman, friedman, mean_ranks
from reports.wording import listing, number, p_equals, plural


@dataclass(frozen=True, kw_only=True)
class Across:
    """The same study on several data sets; ``means`` has one row per data set and one column per arm that all have.

    ``seeds``: the fewest of a trained arm.
    """

    name: str
    metric: Metric
    means: pd.DataFrame
    left_out: tuple[str, ...]
    seeds: int
    sets: Mapping[str, Comparison]

    @cached_property
    def order(self) -> Order:
        """Whether the order of two arms is the same on every data set, of all pairs of arms."""
        return order_of(self._differences, [str(arm) for arm in self.means])

    @cached_property
    def interactions(self) -> pd.DataFrame:
        """Changes between data sets of each arm's difference to the baseline; empty where they have no common one."""
        baselines = {comparison.baseline for comparison in self.sets.values()}
        baseline = next(iter(baselines))
        arms = [str(arm) for arm in self.means]
        return interactions(self._differences, arms if len(baselines) == 1 and baseline in arms else [], baseline)

    @property
    def _differences(self) -> dict[str, Difference]:
        return {name: partial(_difference, comparison) for name, comparison in self.sets.items()}

    @property
    def stem(self) -> str:
        """The name as the beginning of a file's name."""
        return file_stem(f"{self.name}-across-data-sets")

    @property
    def ranks(self) -> "pd.Series[float]":
        """Mean rank of each arm over the data sets, 1 the best."""
        return mean_ranks(self.means, higher_is_better=self.metric.higher_is_better)

    @property
    def test(self) -> Friedman:
        """Friedman's test with the data sets as blocks."""
        return friedman(self.means, unit="data set")


def across(comparisons: Sequence[Comparison], *, name: str | None = None) -> list[Across]:
    """The studies among ``comparisons`` that were run at one budget on several data sets, each once.

    With ``name``, all of them are one study of that name.
    """
    gathered: dict[tuple[str, str], dict[str, Comparison]] = {}
    for comparison in comparisons:
        definition = comparison.records.definition
        study = name or str(definition.get("study") or comparison.records.name)
        budget = str(as_object(definition.get("budget")).get("name") or "")
        comparisons_of = gathered.setdefault((study, budget), {})
        comparisons_of.setdefault(str(comparison.records.dataset.get("name") or comparison.records.name), comparison)
    return [
        _joined(f"{study}, {budget}" if budget else study, sets)
        for (study, budget), sets in gathered.items()
        if len(sets) > 1
    ]


def _joined(name: str, sets: dict[str, Comparison]) -> Across:
    metric = next(iter(sets.values())).metric
    columns, seeds = {}, list[int]()
    for dataset, comparison in sets.items():
        columns[dataset] = comparison.evaluated.set_index("arm")[metric.mean].dropna()
        seeds.extend(comparison.evaluated[comparison.evaluated["trained"]]["seeds"])
    every = list(dict.fromkeys(arm for column in columns.values() for arm in column.index))
    shared = [arm for arm in every if all(arm in column.index for column in columns.values())]
    means = pd.DataFrame({dataset: column.reindex(shared) for dataset, column in columns.items()}).T
    left_out = tuple(arm for arm in every if arm not in shared)
    return Across(name=name, metric=metric, means=means, left_out=left_out, seeds=min(seeds, default=0), sets=sets)


def across_summary(study: Across) -> tuple[str, str, str]:
    """The finding, its size, its limits; ranks across data sets name no winner unless a test can be made."""
    sets = plural(len(study.means), "data set")
    ranks = study.ranks.sort_values(kind="stable")
    if len(ranks) < 2:
        return (f"Nothing is compared across {sets}.", "Fewer than two arms have a result on each.", "")
    best = [str(arm) for arm in ranks.index[ranks == ranks.iloc[0]]]
    verb = "has" if len(best) == 1 else "share"
    finding = f"{study.order.sentence} {listing(best)} {verb} the best mean rank over {sets}; {_reservation(study)}."
    size = f"Mean ranks: {'; '.join(f'{arm} {number(rank, 2)}' for arm, rank in ranks.items())}."
    limits = f"Limits: {tested(study)} The results on each data set are in the section of its study."
    return finding, size, limits


def tested(study: Across) -> str:
    """What Friedman's test over the data sets says, or why there is none."""
    result = study.test
    if result.reason:
        return f"Ranks only, no test: Friedman's is not made, {result.reason}."
    return (
        f"Friedman over {plural(result.blocks, 'data set')}: χ² = {number(result.statistic, 1)}, "
        f"{p_equals(result.p_value)}, conditional on these trained networks."
    )


def _reservation(study: Across) -> str:
    """What the best mean rank does not show."""
    tested = not study.test.reason and study.test.p_value < 0.05
    reason = "the order is that of these trained networks" if tested else "no test confirms this order"
    few = 0 < study.seeds < SEEDS_FOR_A_CLAIM
    return reason + (f", which rests on {plural(study.seeds, 'seed')}" if few else "")


def _difference(comparison: Comparison, first: str, second: str) -> Interval:
    trained = dict(zip(comparison.arms["arm"], comparison.arms["trained"], strict=True))
    return comparison.blocks.difference(
        first, second, first_trained=bool(trained[first]), second_trained=bool(trained[second])
    )
