"""Parameters of a search space: a choice of values, or a range of numbers. No torch."""

import math
from dataclasses import dataclass

import numpy as np

Value = str | int | float | bool | None
Values = dict[str, Value]


@dataclass(frozen=True)
class Choice:
    """A parameter that takes one of finitely many values."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ValueError(f"Choice(): 'values' of {self.name!r} must not be empty")
        for value in self.values:
            if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
                raise ValueError(f"Choice(): 'values' of {self.name!r} must be finite JSON scalars, got {value!r}")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"Choice(): 'values' of {self.name!r} must differ, got {self.values}")

    def take(self, value: object) -> Value:
        """The one of the values that this equals.

        Raises:
            ValueError: it equals none.
        """
        if value not in self.values:
            raise ValueError(f"Choice.take(): {self.name!r} must be one of {self.values}, got {value!r}")
        return self.values[self.values.index(value)]

    def draw(self, rng: np.random.Generator) -> Value:
        """A value, uniformly."""
        return self.values[int(rng.integers(len(self.values)))]

    def extremes(self) -> tuple[Value, ...]:
        """The values among which all others lie: each one."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A parameter that takes any number from ``low`` to ``high``, on a linear or a logarithmic scale."""

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            object.__setattr__(self, end, float(getattr(self, end)))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"Range(): 'low' of {self.name!r} must be below 'high', got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"Range(): 'low' of {self.name!r} must be positive on a log scale, got {self.low}")

    def take(self, value: object) -> Value:
        """The number.

        Raises:
            ValueError: it is none, or out of range.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(f"Range.take(): {self.name!r} must be in [{self.low}, {self.high}], got {value!r}")
        return float(value)

    def draw(self, rng: np.random.Generator) -> Value:
        """A number, uniformly on the range's scale."""
        if not self.log:
            return float(rng.uniform(self.low, self.high))
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)  # the rounding of exp may leave the range

    def extremes(self) -> tuple[Value, ...]:
        """The values among which all others lie: both ends."""
        return self.low, self.high


Parameter = Choice | Range
