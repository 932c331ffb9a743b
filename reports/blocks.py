"""Block means of one metric: the values that every statistic of a comparison starts from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Blocks:
    """Values of one metric by pair and seed of every arm, and the block that each pair stands in.

    ``pairs`` has a row a pair of a trial, with its ``arm``, ``seed``, ``pair`` and ``block``. Where trials put a pair
    in different blocks, the first one counts.
    """

    def __init__(self, pairs: pd.DataFrame, metric: str) -> None:
        codes, names = pd.factorize(pairs["pair"])
        blocks = pairs.drop_duplicates("pair")["block"].astype(str).to_numpy()
        self.blocks, block_of_pair = np.unique(blocks, return_inverse=True)
        self._members = (np.arange(len(self.blocks))[:, None] == block_of_pair[None, :]).astype(np.float64)
        self._values: dict[str, Values] = {}
        given = pairs[metric].to_numpy(np.float64)
        for arm, rows in pairs.groupby("arm", sort=False).indices.items():
            seeds, seed_names = pd.factorize(pairs["seed"].to_numpy()[rows])
            values = np.full((len(names), len(seed_names)), np.nan)
            values[codes[rows], seeds] = given[rows]
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
        complete = np.all([~np.isnan(own).any(axis=1) for own in values], axis=0)
        members = self._members[:, complete]
        counts = members.sum(axis=1)
        left = counts > 0
        shares = members[left] / counts[left, None]
        return [str(name) for name in self.blocks[left]], [(shares @ own[complete]).T for own in values]
