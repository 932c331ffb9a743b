"""A table of plans with made-up curves, as ``table`` studies leave them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nas.spaces import tiny
from nas.table import BASE, COLUMNS, FORMAT, PlanTable

STEPS = (25, 50, 75, 100)
SPACE = {"name": "tiny", "operators": "jsg/jscmq", "tied": [[2, 3], [4, 5], [6, 7]]}


def made_table(*, plans: int = 181, seeds: int = 2, datasets: Sequence[str] = ("hippocampus",)) -> PlanTable:
    """Curves that rise to a plan's own score with noise, on each data set."""
    rng, rows = np.random.default_rng(0), []
    for dataset in datasets:
        for i, plan in enumerate(tiny(BASE).plans()[:plans]):
            for seed in range(seeds):
                score, pace = 0.6 + 0.001 * i + rng.normal(0, 0.01), rng.uniform(0.5, 1.5)
                rows += [
                    {
                        "plan": plan, "dataset": dataset, "seed": seed, "step": step, "parameters": 1000 + i,
                        "flops": 2000 + i, "val_dice": score - 0.1 * (1 - step / 100) + rng.normal(0, 0.01),
                        "val_folding_fraction": 0.0, "val_sd_log_jacobian": 0.2, "seconds": pace * step,
                    }
                    for step in STEPS
                ]  # fmt: skip
    about = {"format": FORMAT, "space": SPACE, "steps": list(STEPS), "budget": {"steps": 100, "width": 4}, "failed": []}
    sets = {name: {"title": name, "licence": "made up"} for name in datasets}
    return PlanTable(rows=pd.DataFrame(rows)[list(COLUMNS)], metadata=about | {"datasets": sets})
