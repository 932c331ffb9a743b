"""Variance of a forest of regression trees over levels, split exactly by setting and by pair of settings."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context  # type: ignore[import-untyped]
from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-untyped]

TREES = 32
MOST_LEAVES = 64


def forest_variances(table: pd.DataFrame, gains: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, float]:
    """A forest's variance: each setting's own on the diagonal of a matrix, what a pair adds beside it; and all of it.

    Each column of ``table`` holds levels, which weigh as often as they were tried, independently of the other columns:
    the marginal of a tree over a product of levels is a sum over its leaves, so nothing is sampled.

    Source: Hutter, Hoos and Leyton-Brown 2014, algorithm 1.
    """
    codes = [table[name].cat.codes.to_numpy() for name in table]
    coded = np.concatenate([np.eye(code.max() + 1, dtype=np.float32)[code] for code in codes], axis=1)
    groups = np.concatenate([np.full(code.max() + 1, number) for number, code in enumerate(codes)])
    forest = RandomForestRegressor(TREES, max_leaf_nodes=MOST_LEAVES, min_samples_leaf=2, random_state=seed)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        forest.fit(coded, gains)
    weights = coded.mean(axis=0, dtype=float)
    split = [_tree_variances(tree.tree_, groups, weights) for tree in forest.estimators_]
    return np.asarray(np.mean([variances for variances, _ in split], axis=0)), float(
        np.mean([total for _, total in split])
    )


def _tree_variances(tree: Any, groups: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """The variances of one tree, and its whole; nothing where it is flat."""
    boxes, values = _leaves(tree, groups)
    size = int(groups[-1]) + 1
    columns = [groups == number for number in range(size)]
    masses = np.stack([boxes[:, column] @ weights[column] for column in columns], axis=1)
    share = masses.prod(axis=1)
    mean = float(values @ share)
    total = float(values**2 @ share) - mean**2
    variances = np.zeros((size, size))
    if total <= 1e-12 * mean**2:
        return variances, 0.0
    for first, column in enumerate(columns):
        marginal = (values * share / masses[:, first]) @ boxes[:, column] - mean
        variances[first, first] = marginal**2 @ weights[column]
    for first, second in combinations(range(size), 2):
        rest = values * share / (masses[:, first] * masses[:, second])
        marginal = (boxes[:, columns[first]] * rest[:, None]).T @ boxes[:, columns[second]] - mean
        both = weights[columns[first]] @ marginal**2 @ weights[columns[second]]
        added = both - variances[first, first] - variances[second, second]
        variances[first, second] = variances[second, first] = max(added, 0.0)
    return variances, total


def _leaves(tree: Any, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which levels lead to each leaf (leaves, levels), as 0 and 1, and the leaves' values."""
    allowed = np.ones((tree.node_count, len(groups)))
    for node in range(tree.node_count):  # children come after their parents
        feature, left, right = tree.feature[node], tree.children_left[node], tree.children_right[node]
        if left < 0:
            continue
        allowed[left] = allowed[right] = allowed[node]
        allowed[left, feature] = 0
        allowed[right, groups == groups[feature]] = 0
        allowed[right, feature] = 1
    ends = tree.children_left < 0
    return allowed[ends], tree.value[ends, 0, 0]
