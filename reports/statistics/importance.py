"""How much each setting of a search matters: fANOVA and PED-ANOVA, each beside what chance alone reaches.

The two answer different questions. fANOVA: which share of the variance of a model of the gains belongs to a setting, or
to two together. PED-ANOVA: how differently the best candidates chose a setting than all did. Both rank noise as readily
as signal, so the gains are shuffled over the candidates and the largest importance of any setting is noted each time:
only what is above 95 of 100 of those is above chance, whatever the number of settings.

Optuna's fANOVA leaves out parameters that not every trial has, which are six stages of seven, and gives no
interactions; here a dead stage is a level of its own, and the variance within a forest is exact. PED-ANOVA equals
Optuna's on listed values (a test holds it to that), except that the best share is larger.

Sources: Hutter, Hoos and Leyton-Brown 2014 (fANOVA); Watanabe, Bansal and Hutter 2023 (PED-ANOVA, arXiv 2304.10255).
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd

from reports.records.levels import INACTIVE
from reports.records.plans import DEAD_NAME
from reports.statistics.forest import forest_variances

FANOVA, PED_ANOVA = "fANOVA", "PED-ANOVA"
FEWEST = 12
"""Fewer candidates say nothing of seven settings."""
TOP = 0.25
"""The best share that PED-ANOVA compares with all. Optuna's 0.1 is four candidates of forty."""
SHUFFLES = {FANOVA: 39, PED_ANOVA: 399}
LEVEL = 0.05
MOST_FOR_FOREST = 500
"""Larger searches are thinned to so many candidates for fANOVA, evenly, or the shuffles would take minutes."""
_INACTIVE_LEVELS = (DEAD_NAME, INACTIVE)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """``single``: setting, method, importance, chance, p_value. ``pairs``: first, second and the same, by fANOVA.

    ``chance`` is what the largest of all reaches in 95 of 100 shuffles, ``p_value`` how many shuffles do as well.
    """

    single: pd.DataFrame
    pairs: pd.DataFrame
    candidates: int

    def above_chance(self, method: str) -> list[str]:
        """The settings that a method shows to matter."""
        above = self.single[(self.single["method"] == method) & (self.single["p_value"] <= LEVEL)]
        return above.sort_values("importance", ascending=False)["setting"].tolist()


def importance(table: pd.DataFrame, gains: "pd.Series[float]", *, seed: int = 0) -> Importance | None:
    """Importance of every column of ``table`` (levels) for ``gains``; None for too few candidates or settings.

    Candidates without a gain are left out. Deterministic for a ``seed``.
    """
    varied = table.loc[gains.reindex(table.index).notna()]
    varied = varied[[name for name in varied if varied[name].nunique() > 1]]
    if len(varied) < FEWEST or varied.empty:
        return None
    values = gains.loc[varied.index].to_numpy(dtype=float)
    ped = ped_anova(varied, values, shuffles=SHUFFLES[PED_ANOVA], seed=seed)
    thin = np.unique(np.linspace(0, len(varied) - 1, min(len(varied), MOST_FOR_FOREST)).astype(int))
    variances = _shuffled(varied.iloc[thin], values[thin], seed=seed)
    names, upper = [str(name) for name in varied], np.triu_indices(varied.shape[1], 1)
    shares = {FANOVA: np.diagonal(variances, axis1=1, axis2=2), PED_ANOVA: ped}
    single = [_beside_chance(share).assign(setting=names, method=method) for method, share in shares.items()]
    pairs = _beside_chance(variances[:, *upper])
    for column, side in zip(("first", "second"), upper, strict=True):
        pairs[column] = [names[place] for place in side]
    return Importance(single=pd.concat(single, ignore_index=True), pairs=pairs, candidates=len(varied))


def _shuffled(table: pd.DataFrame, gains: np.ndarray, *, seed: int) -> np.ndarray:
    """fANOVA of the gains, and below it of shuffles of them: (1 + shuffles, settings, settings).

    All are shares of the first forest's variance, so that a lone setting is not compared with 1.
    """
    rng = np.random.default_rng(seed)
    orders = [np.arange(len(gains)), *(rng.permutation(len(gains)) for _ in range(SHUFFLES[FANOVA]))]
    split = [forest_variances(table, gains[order], seed=seed) for order in orders]
    return np.stack([variances for variances, _ in split]) / (split[0][1] or 1.0)


def _beside_chance(values: np.ndarray) -> pd.DataFrame:
    """Importances, which are the first row of ``values``, beside what shuffles reach, the others."""
    if not values.shape[1]:
        return pd.DataFrame({"importance": [], "chance": [], "p_value": []})
    largest = values[1:].max(axis=1)
    reached = (largest[:, None] >= values[0] - 1e-12).sum(axis=0)
    chance = np.sort(largest)[ceil((1 - LEVEL) * (len(largest) + 1)) - 1]
    return pd.DataFrame({"importance": values[0], "chance": chance, "p_value": (1 + reached) / (1 + len(largest))})


def ped_anova(
    table: pd.DataFrame, gains: np.ndarray, *, shuffles: int = 0, top: float = TOP, seed: int = 0
) -> np.ndarray:
    """PED-ANOVA of every column, and of shuffled gains below it: (1 + shuffles, settings).

    A setting that is not active in a candidate is compared over the others alone, as Optuna 5 does.
    """
    cutoff = np.sort(gains)[-ceil(top * len(gains))]
    best = gains >= cutoff
    rng = np.random.default_rng(seed)
    masks = np.stack([best, *(rng.permutation(best) for _ in range(shuffles))]).astype(float)
    return np.stack([_divergence(table[name], masks) for name in table], axis=1)


def _divergence(levels: "pd.Series[str]", masks: np.ndarray) -> np.ndarray:
    """Pearson divergence of the best candidates' choices from all candidates', weighed as the paper does."""
    active = ~levels.isin(_INACTIVE_LEVELS).to_numpy()
    choices = [level for level in levels.cat.categories if level not in _INACTIVE_LEVELS]
    if len(choices) < 2 or active.sum() < 2:
        return np.zeros(len(masks))
    chosen = np.stack([(levels == level).to_numpy() for level in choices], axis=1).astype(float)
    best, every = _density(masks @ chosen), _density(chosen.sum(axis=0, keepdims=True))
    divergence = (every * (best / every - 1) ** 2).sum(axis=1)
    share = masks[0].sum() / len(active)
    weight = (masks @ active / masks[0].sum()) ** 2 / active.mean()
    return np.asarray(np.where(masks @ active > 0, share**2 * weight * divergence, 0.0))


def _density(counts: np.ndarray) -> np.ndarray:
    """Shares of the levels (..., levels), drawn towards equal ones by one candidate's weight, as Optuna's estimator."""
    total, amount = counts.sum(axis=1, keepdims=True), counts.shape[1]
    kernels = (counts > 0).sum(axis=1, keepdims=True) + 1
    density = (counts + total / kernels) / (amount / kernels + 1)
    return np.asarray((density + 1 / amount) / (total + 1))
