"""Means over what is known."""

import math
from collections.abc import Sequence

import numpy as np


def nan_mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where none is left."""
    finite = [value for value in values if not math.isnan(value)]
    return float(np.mean(finite)) if finite else math.nan
