"""Statistics of a comparison: seeds crossed with blocks of pairs that share subjects.

Values of an arm are a table ``(seeds, blocks)`` of block means. Pairs that share subjects are not independent, so the
block is the unit; two arms see the same blocks, but the seeds of one arm have nothing to do with those of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SEEDS_FOR_A_CLAIM = 3
FEWEST_SUBJECTS = 4
# A spread below the rounding of the values themselves is none.
_ROUNDING = 1e-12

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its confidence interval; NaN where it cannot be given.

    ``limit`` is empty when a claim may rest on the interval, and otherwise says in words why none may. With one seed
    the interval is over blocks alone, conditional on that one trained network, and has no p-value. ``subjects``: how
    many subjects it rests on in place of blocks, where the pairs are one block; 0 elsewhere.
    """

    estimate: float
    low: float = nan
    high: float = nan
    standard_error: float = nan
    degrees_of_freedom: float = nan
    p_value: float = nan
    blocks: int = 0
    seeds: int = 0
    subjects: int = 0
    limit: str = ""

    @property
    def conditional(self) -> bool:
        """Whether it leaves out the variation between trainings."""
        return self.limit == "one seed"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a mean varies with the subjects who were scanned: ``variance``, and how many subjects it rests on."""

    variance: float
    subjects: int


def subject_sampling(values: ArrayLike, fixed: ArrayLike, moving: ArrayLike) -> Sampling | None:
    """Jackknife over subjects, for pairs that shared subjects connect: each subject's pairs are left out in turn.

    ``values (pairs,)``; ``fixed`` and ``moving (pairs,)`` name the subjects. Its expectation is not below the variance
    of the mean over one subject less, so that it is conservative. None where subjects do not connect all pairs, are
    fewer than four, or one of them is in every pair.

    Source: Efron and Stein 1981, The jackknife estimate of variance, Annals of Statistics 9(3):586.
    """
    given = np.asarray(values, dtype=np.float64)
    named = np.concatenate([np.asarray(fixed, dtype=str), np.asarray(moving, dtype=str)])
    subjects, codes = np.unique(named, return_inverse=True)
    ends, count = codes.reshape(2, -1), len(subjects)
    components = connected_components(coo_array((np.ones(len(given)), tuple(ends)), shape=(count, count)))[0]
    left = (np.arange(count)[:, None, None] != ends).all(axis=1)
    if components > 1 or count < FEWEST_SUBJECTS or not left.any(axis=1).all():
        return None
    means = left @ given / left.sum(axis=1)
    return Sampling(variance=float(means.var()) * (count - 1), subjects=count)


def mean_interval(
    values: ArrayLike, *, trained: bool = True, sampling: Sampling | None = None, level: float = 0.95
) -> Interval:
    """Interval of an arm's mean over blocks and seeds, from ``values (seeds, blocks)``.

    Blocks with a NaN in any seed are left out. An arm that is not ``trained`` has no variation between seeds.
    ``sampling`` serves where there is but one block.
    """
    complete = _complete_blocks(_table(values, "mean_interval", "values"))[0]
    return _interval(complete.mean(axis=0), _seed_terms([(complete, trained)]), sampling, level=level)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    *,
    first_trained: bool = True,
    second_trained: bool = True,
    sampling: Sampling | None = None,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean difference ``first - second`` of two arms, each ``(seeds, blocks)`` over the same blocks.

    The variance is ``s2_block / n_blocks + sum over arms of s2_seed / n_seeds``, with Satterthwaite's degrees of
    freedom: ``s2_block`` between the blocks' differences (means over seeds), ``s2_seed`` between an arm's seed means.
    Where there is but one block, ``sampling`` of the difference, if given, stands for the first term.

    Raises:
        ValueError: the arms have not the same number of blocks.
    """
    tables = [_table(first, "difference_interval", "first"), _table(second, "difference_interval", "second")]
    if tables[0].shape[1] != tables[1].shape[1]:
        shapes = " and ".join(str(table.shape) for table in tables)
        raise ValueError(f"difference_interval(): 'first' and 'second' must share their blocks, got shapes {shapes}")
    minuend, subtrahend = _complete_blocks(*tables)
    terms = _seed_terms([(minuend, first_trained), (subtrahend, second_trained)])
    return _interval(minuend.mean(axis=0) - subtrahend.mean(axis=0), terms, sampling, level=level)


def holm(p_values: ArrayLike) -> Values:
    """Holm's step-down adjusted p-values; NaN stays NaN and does not count as a comparison."""
    raw = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full_like(raw, nan)
    order = np.argsort(raw)[: int(np.sum(~np.isnan(raw)))]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * raw[order]))
    return adjusted


def seed_spread(seed_means: ArrayLike) -> float:
    """Standard deviation between the means of the seeds; NaN below two seeds."""
    means = np.asarray(seed_means, dtype=np.float64)
    means = means[~np.isnan(means)]
    return float(np.std(means, ddof=1)) if len(means) > 1 else nan


def quantile(values: ArrayLike, share: float) -> float:
    """The quantile of the pairs' values; at 0.3 of Dice it is dice30, the robustness figure of Learn2Reg.

    Pairs without a value are left out; NaN where none has one.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[~np.isnan(finite)]
    return float(np.quantile(finite, share)) if len(finite) else nan


def paired_effect(first: ArrayLike, second: ArrayLike) -> float:
    """Cohen's d_z over blocks: mean difference of two arms' block means, over its standard deviation between blocks.

    Each arm ``(seeds, blocks)``. NaN below two blocks, and where the differences do not vary. It describes these
    trained networks: how trainings vary is in the interval, not here.
    """
    first_table, second_table = _complete_blocks(
        _table(first, "paired_effect", "first"), _table(second, "paired_effect", "second")
    )
    differences = first_table.mean(axis=0) - second_table.mean(axis=0)
    if len(differences) < 2 or differences.std(ddof=1) <= _ROUNDING:
        return nan
    return float(differences.mean() / differences.std(ddof=1))


def blocks_better(first: ArrayLike, second: ArrayLike, *, higher_is_better: bool) -> int:
    """In how many blocks the first of two arms ``(seeds, blocks)`` has the better mean over seeds; ties count not."""
    first_table, second_table = _complete_blocks(
        _table(first, "blocks_better", "first"), _table(second, "blocks_better", "second")
    )
    differences = first_table.mean(axis=0) - second_table.mean(axis=0)
    return int(np.sum((differences if higher_is_better else -differences) > _ROUNDING))


@dataclass(frozen=True, kw_only=True)
class _SeedTerms:
    """Each trained arm's share of the variance of the mean with its degrees of freedom, and its number of seeds."""

    variances: tuple[float, ...]
    degrees: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def limit(self) -> str:
        fewest = min(self.seeds, default=SEEDS_FOR_A_CLAIM)
        if fewest >= SEEDS_FOR_A_CLAIM:
            return ""
        return "one seed" if fewest == 1 else f"{fewest} seeds"


def _table(values: ArrayLike, function: str, argument: str) -> Values:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"{function}(): '{argument}' must be (seeds, blocks), got shape {table.shape}")
    return table


def _complete_blocks(*tables: Values) -> list[Values]:
    complete = np.all([~np.isnan(table).any(axis=0) for table in tables], axis=0)
    return [table[:, complete] for table in tables]


def _seed_terms(arms: Sequence[tuple[Values, bool]]) -> _SeedTerms:
    trained = [table for table, is_trained in arms if is_trained]
    several = [table for table in trained if table.shape[0] > 1 and table.shape[1] > 0]
    return _SeedTerms(
        variances=tuple(float(table.mean(axis=1).var(ddof=1)) / len(table) for table in several),
        degrees=tuple(len(table) - 1 for table in several),
        seeds=tuple(len(table) for table in trained),
    )


def _interval(blocks: Values, seeds: _SeedTerms, sampling: Sampling | None, *, level: float) -> Interval:
    """Interval of the mean of ``blocks`` whose variance also has the terms of ``seeds``."""
    counts = {"blocks": len(blocks), "seeds": min(seeds.seeds, default=1)}
    if len(blocks) == 1 and sampling is not None:
        counts["subjects"] = sampling.subjects
        of_blocks, units = sampling.variance, sampling.subjects
    elif len(blocks) < 2:
        limit = "one block" if len(blocks) else "no values"
        return Interval(estimate=float(blocks[0]) if len(blocks) else nan, limit=limit, **counts)
    else:
        of_blocks, units = float(blocks.var(ddof=1)) / len(blocks), len(blocks)
    estimate = float(blocks.mean())
    terms = np.array([of_blocks, *seeds.variances])
    if sqrt(terms.sum()) <= _ROUNDING * max(1.0, abs(estimate)):
        limit = seeds.limit or "no variation between blocks or seeds"
        return Interval(estimate=estimate, low=estimate, high=estimate, standard_error=0.0, limit=limit, **counts)
    degrees = terms.sum() ** 2 / np.sum(terms**2 / np.array([units - 1, *seeds.degrees]))
    error = sqrt(terms.sum())
    half = error * float(stats.t.ppf(0.5 + level / 2, degrees))
    p_value = 2 * float(stats.t.sf(abs(estimate) / error, degrees))
    return Interval(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        standard_error=error,
        degrees_of_freedom=float(degrees),
        p_value=nan if seeds.limit == "one seed" else p_value,
        limit=seeds.limit,
        **counts,
    )


def verdict(interval: Interval, p_holm: float, *, level: float = 0.95) -> str:
    """``higher``, ``lower``, ``no difference shown`` or ``no claim: WHY``, never stronger than the interval."""
    if interval.limit:
        return f"no claim: {interval.limit}"
    if isnan(p_holm) or p_holm >= 1 - level:
        return "no difference shown"
    return "higher" if interval.estimate > 0 else "lower"
