"""Which plan a supernet trains at each step: a function of the plans, a seed and the step alone.

Nothing here imports torch.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from fusemorph.fusion.plan import STAGES, stage_symbols

Draw = Literal["uniform", "fair"]
DRAWS: tuple[Draw, ...] = ("uniform", "fair")


class PlanDraws:
    """The plans of the steps of one training.

    ``uniform``: every plan is as likely as any other. ``fair``: from stage 7 backwards, each stage takes one of the
    operators that it has had least often, so that in all steps in which a stage is live their counts differ by at most
    one, wherever the stages choose independently.

    Source: Guo et al. 2020, "Single Path One-Shot NAS with Uniform Sampling", arXiv 1904.00420; Chu et al. 2021,
    "FairNAS", arXiv 1907.01845, strict fairness, there with the gradients of a whole round added up in one step.
    """

    def __init__(self, plans: Sequence[str], *, draw: Draw, seed: int) -> None:
        self.plans, self.draw, self.seed = tuple(plans), draw, seed
        self._symbols = np.array([list(stage_symbols(plan)) for plan in self.plans])
        self._drawn: list[str] = []
        self._counts: Counter[tuple[int, str]] = Counter()

    def at(self, step: int) -> str:
        """The plan of a step, counted from 0."""
        if self.draw == "uniform":
            return self.plans[int(self._rng(step).integers(len(self.plans)))]
        while len(self._drawn) <= step:  # what came before decides: a resumed training counts it again
            self._drawn.append(self._fairest(self._rng(len(self._drawn))))
        return self._drawn[step]

    def _rng(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step, 3])

    def _fairest(self, rng: np.random.Generator) -> str:
        left = np.arange(len(self.plans))
        for stage in reversed(STAGES):
            of_stage = self._symbols[left, stage - 1]
            symbols = [str(symbol) for symbol in np.unique(of_stage)]
            if len(symbols) == 1:  # dead, or decided by another stage
                continue
            fewest = min(self._counts[stage, symbol] for symbol in symbols)
            rarest = [symbol for symbol in symbols if self._counts[stage, symbol] == fewest]
            chosen = rarest[int(rng.integers(len(rarest)))]
            self._counts[stage, chosen] += 1
            left = left[of_stage == chosen]
        return self.plans[int(left[0])]
