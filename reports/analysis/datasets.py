"""One study on several data sets: what its arms score on each, whether their order is the same, and their ranks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd

from reports.analysis.arms import without_optimised
from reports.analysis.comparison import Comparison
from reports.records.files import SUBJECT_COLUMNS, as_object, file_stem
from reports.records.metric import Metric
from reports.statistics.interaction import NO_RESULT, Difference, Order, interactions, order_of
from reports.statistics.intervals import Interval
from reports.statistics.ranking import Friedman, friedman, mean_ranks
from reports.wording import number, p_equals, plural


@dataclass(frozen=True, kw_only=True)
class Across:
    """The same study on several data sets.

    ``means``: one row per data set and one column per arm with a result on two of them or more, NaN where it has none.
    ``alone``: arms with a result on one data set alone, by that data set.
    """

    name: str
    metric: Metric
    means: pd.DataFrame
    alone: Mapping[str, Sequence[str]]
    sets: Mapping[str, Comparison]

    @property
    def shared(self) -> pd.DataFrame:
        """``means`` of the arms that every data set has."""
        return self.means.dropna(axis=1)

    @property
    def compared(self) -> list[str]:
        """Arms whose order is asked for: methods, without what optimises another one's results further."""
        methods = {
            str(arm) for comparison in self.sets.values() for arm in without_optimised(comparison.methods)["arm"]
        }
        return [arm for arm in map(str, self.means) if arm in methods]

    @cached_property
    def order(self) -> Order:
        """Whether the order of two arms is the same on every data set that has both, of all pairs of ``compared``."""
        return order_of(self._differences, self.compared)

    @cached_property
    def interactions(self) -> pd.DataFrame:
        """Changes between data sets of each method's difference to the baseline; empty without a common one."""
        baselines = {comparison.baseline for comparison in self.sets.values()}
        baseline = next(iter(baselines))
        methods = {str(arm) for comparison in self.sets.values() for arm in comparison.methods["arm"]}
        arms = [arm for arm in map(str, self.means) if arm in methods or arm == baseline]
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
        """Mean rank over the data sets of each arm that all have, 1 the best."""
        return mean_ranks(self.shared, higher_is_better=self.metric.higher_is_better)

    @property
    def test(self) -> Friedman:
        """Friedman's test with the data sets as blocks."""
        return friedman(self.shared, unit="data set")

    @property
    def kinds(self) -> dict[str, str]:
        """Whether the pairs of each data set are of one subject or of two, as far as that is recorded."""
        return {name: pairs_of(comparison) for name, comparison in self.sets.items()}


def pairs_of(comparison: Comparison) -> str:
    """``within subjects`` or ``between subjects``, or nothing where pairs are of both kinds or do not say."""
    pairs = comparison.records.pairs
    if not set(SUBJECT_COLUMNS) <= set(pairs) or not (pairs[list(SUBJECT_COLUMNS)].fillna("") != "").all(axis=None):
        return ""
    within = pairs[SUBJECT_COLUMNS[0]].astype(str) == pairs[SUBJECT_COLUMNS[1]].astype(str)
    return "within subjects" if within.all() else "" if within.any() else "between subjects"


def across(comparisons: Sequence[Comparison], *, name: str | None = None) -> list[Across]:
    """The studies among ``comparisons`` that were run at one budget on several data sets, each once.

    Budgets that differ in nothing but the steps that their name ends with (``quick``, ``quick-120``) count as one;
    where a data set has several of them, the one without that ending. With ``name``, all of them are one study of that
    name.
    """
    gathered: dict[tuple[str, str], dict[str, Comparison]] = {}
    for comparison in sorted(comparisons, key=lambda each: _budget(each)[1]):
        study = name or str(comparison.records.definition.get("study") or comparison.records.name)
        comparisons_of = gathered.setdefault((study, _budget(comparison)[0]), {})
        comparisons_of.setdefault(str(comparison.records.dataset.get("name") or comparison.records.name), comparison)
    return [
        _joined(f"{study}, {budget}" if budget else study, sets)
        for (study, budget), sets in gathered.items()
        if len(sets) > 1
    ]


def _budget(comparison: Comparison) -> tuple[str, str]:
    """The name of a study's budget, and the steps that it ends with, if it does."""
    name = str(as_object(comparison.records.definition.get("budget")).get("name") or "")
    found = re.fullmatch(r"(.+)-(\d+)", name)
    return (found[1], found[2]) if found else (name, "")


def _joined(name: str, sets: dict[str, Comparison]) -> Across:
    metric = next(iter(sets.values())).metric
    columns = {
        dataset: comparison.evaluated.set_index("arm")[metric.mean].dropna() for dataset, comparison in sets.items()
    }
    every = list(dict.fromkeys(arm for column in columns.values() for arm in column.index))
    means = pd.DataFrame({dataset: column.reindex(every) for dataset, column in columns.items()}).T
    once = means.columns[means.notna().sum() == 1]
    # The sets with most of the arms stand beside each other, so that few lines pass one on which their arm is missing.
    means = means.loc[means.drop(columns=once).notna().sum(axis=1).sort_values(ascending=False, kind="stable").index]
    alone = {str(dataset): [str(arm) for arm in once if pd.notna(row[arm])] for dataset, row in means.iterrows()}
    return Across(
        name=name,
        metric=metric,
        means=means.drop(columns=once),
        alone={dataset: arms for dataset, arms in alone.items() if arms},
        sets=sets,
    )


def tested(study: Across) -> str:
    """What Friedman's test over the data sets says, or why there is none."""
    result = study.test
    if result.reason:
        return f"Ranks only, no test: Friedman's is not made, {result.reason}."
    return (
        f"Friedman over {plural(result.blocks, 'data set')}: χ² = {number(result.statistic, 1)}, "
        f"{p_equals(result.p_value)}, conditional on these trained networks."
    )


def _difference(comparison: Comparison, first: str, second: str) -> Interval:
    evaluated = comparison.evaluated.dropna(subset=[comparison.metric.mean])
    trained = dict(zip(evaluated["arm"], evaluated["trained"], strict=True))
    if not {first, second} <= set(trained):
        return Interval(estimate=float("nan"), limit=NO_RESULT)
    return comparison.blocks.difference(
        first, second, first_trained=bool(trained[first]), second_trained=bool(trained[second])
    )


def elsewhere(study: Across) -> str:
    """Which arms are left out, since one data set alone has them."""
    return "".join(f" On {dataset} alone, and left out: {'; '.join(arms)}." for dataset, arms in study.alone.items())
