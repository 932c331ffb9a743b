"""What a comparison could have shown: the smallest difference it could detect, and whether arms are equivalent.

That no difference is shown does not make two arms equal. Equivalence is shown, as a difference is, by a test: two
one-sided tests place the difference within a region that the reader holds to be of no practical importance.
"""

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan

from scipy import stats

from reports.statistics.intervals import Interval, holm

POWER = 0.8
LEVEL_WITH = "level"
"""The verdict on arms that are equivalent, and between which no difference is shown."""


def detectable_difference(
    interval: Interval, *, comparisons: int = 1, power: float = POWER, level: float = 0.95
) -> float:
    """The smallest true difference that the design of ``interval`` finds with probability ``power``.

    ``(t(1 - a / 2) + t(power)) * standard error`` at the interval's degrees of freedom, where ``a`` is ``1 - level``
    shared between ``comparisons``, as the first step of Holm's correction shares it. NaN where no claim may rest on
    the interval.

    Source: Bloom 1995, Minimum detectable effects, Evaluation Review 19(5):547.
    """
    if interval.limit or isnan(interval.standard_error):
        return nan
    degrees = interval.degrees_of_freedom
    critical = stats.t.ppf(1 - (1 - level) / (2 * max(1, comparisons)), degrees)
    return float((critical + stats.t.ppf(power, degrees)) * interval.standard_error)


def equivalence_p(interval: Interval, margin: float) -> float:
    """p-value of two one-sided tests that the difference lies within ``-margin`` to ``margin``: the larger of the two.

    NaN where no claim may rest on the interval.

    Raises:
        ValueError: ``margin`` is not above 0.

    Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15(6):657.
    """
    if not margin > 0 or not isfinite(margin):
        raise ValueError(f"equivalence_p(): 'margin' must be a number above 0, got {margin!r}")
    if interval.limit or isnan(interval.standard_error):
        return nan
    error, degrees = interval.standard_error, interval.degrees_of_freedom
    above = stats.t.sf((interval.estimate + margin) / error, degrees)
    below = stats.t.cdf((interval.estimate - margin) / error, degrees)
    return float(max(above, below))


def equivalence(intervals: Sequence[Interval], margin: float | None) -> list[float]:
    """Holm-adjusted p-values of equivalence within ``margin``, one an interval; all NaN where ``margin`` is None."""
    if margin is None:
        return [nan] * len(intervals)
    return [float(value) for value in holm([equivalence_p(interval, margin) for interval in intervals])]


def with_equivalence(verdict: str, p_equivalence: float, *, level: float = 0.95) -> str:
    """The verdict on a difference, ``level`` where none is shown and equivalence is."""
    shown = (inf if isnan(p_equivalence) else p_equivalence) < 1 - level
    return LEVEL_WITH if shown and verdict == "no difference shown" else verdict
