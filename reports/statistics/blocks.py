"""Block means of one metric, the values that every statistic of a comparison starts from, and their intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.records.files import SUBJECT_COLUMNS
from reports.statistics.intervals import Interval, Sampling, difference_interval, mean_interval, subject_sampling

Values = NDArray[np.float64]


class Blocks:
    """Values of one metric by pair and seed of every arm, and the block that each pair stands in.

    ``pairs`` has one row per pair of a trial, with its ``arm``, ``seed``, ``pair`` and ``block``. If trials put a pair
    in different blocks, the first one counts. ``fixed_person`` and ``moving_person``, where known, serve where all
    pairs are one block.
    """

    def __init__(self, pairs: pd.DataFrame, metric: str) -> None:
        codes, names = pd.factorize(pairs["pair"])
        first_rows = pairs.drop_duplicates("pair")
        blocks = first_rows["block"].astype(str).to_numpy()
        self.blocks, block_of_pair = np.unique(blocks, return_inverse=True)
        self._members = (np.arange(len(self.blocks))[:, None] == block_of_pair[None, :]).astype(np.float64)
        named = all(name in first_rows and (first_rows[name].fillna("") != "").all() for name in SUBJECT_COLUMNS)
        self._subjects = first_rows[list(SUBJECT_COLUMNS)].astype(str).to_numpy().T if named else None
        self._values: dict[str, Values] = {}
        scores = pairs[metric].to_numpy(np.float64)
        for arm, rows in pairs.groupby("arm", sort=False).indices.items():
            seeds, seed_names = pd.factorize(pairs["seed"].to_numpy()[rows])
            values = np.full((len(names), len(seed_names)), np.nan)
            values[codes[rows], seeds] = scores[rows]
            self._values[str(arm)] = values

    def of_seeds(self, arm: str) -> Values:
        """Values ``(pairs, seeds)`` of an arm, NaN where there is none."""
        return self._values.get(arm, np.empty((0, 0)))

    def means(self, arms: Sequence[str]) -> list[Values]:
        """Tables ``(seeds, blocks)`` of block means of several arms, over the pairs that all of them have.

        A pair counts when every seed of every arm has a value for it, so that arms and seeds are compared on equal
        pairs; blocks without such a pair are left out.
        """
        return self.named_means(arms)[1]

    def named_means(self, arms: Sequence[str]) -> tuple[list[str], list[Values]]:
        """The names of the blocks that are left, and ``means``."""
        values = [self._values[arm] for arm in arms]
        complete = self._complete(arms)
        members = self._members[:, complete]
        counts = members.sum(axis=1)
        left = counts > 0
        shares = members[left] / counts[left, None]
        return [str(name) for name in self.blocks[left]], [(shares @ table[complete]).T for table in values]

    def mean(self, arm: str, *, trained: bool) -> Interval:
        """Interval of an arm's mean over blocks and seeds."""
        return mean_interval(self.means([arm])[0], trained=trained, sampling=self._sampling(arm))

    def difference(self, first: str, second: str, *, first_trained: bool, second_trained: bool) -> Interval:
        """Interval of the mean difference ``first - second`` over blocks and seeds."""
        return difference_interval(
            *self.means([first, second]),
            first_trained=first_trained, second_trained=second_trained, sampling=self._sampling(first, second),
        )  # fmt: skip

    def _complete(self, arms: Sequence[str]) -> NDArray[np.bool_]:
        """The pairs for which every seed of every arm has a value."""
        complete: NDArray[np.bool_] = np.all([~np.isnan(self._values[arm]).any(axis=1) for arm in arms], axis=0)
        return complete

    def _sampling(self, first: str, second: str | None = None) -> Sampling | None:
        """How the mean of an arm, or of the difference of two, varies with the subjects of the one block that is left.

        None where there are several blocks, or the subjects are not recorded.
        """
        arms = [first] if second is None else [first, second]
        complete = self._complete(arms)
        if self._subjects is None or np.count_nonzero(self._members[:, complete].any(axis=1)) != 1:
            return None
        means, *other = (self._values[arm][complete].mean(axis=1) for arm in arms)
        return subject_sampling(means - other[0] if other else means, *self._subjects[:, complete])
