"""What the candidates of a search say of its settings: main effects, importance, interactions and paths."""

from dataclasses import dataclass
from math import nan

import pandas as pd

from reports.analysis.ablation_paths import SearchPath, paths_of
from reports.analysis.search import judged, parts, shared_step, steps_of
from reports.records.levels import settings
from reports.records.search import SearchRecords
from reports.records.trial import as_object
from reports.statistics.importance import Importance, importance
from reports.statistics.main_effects import COLUMNS, main_effects

ALL, FINISHED = "all that ended", "finished"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Main ``effects`` by ``part`` and ``basis``, ``importances`` by part, both judged at ``step``, and ``paths``."""

    records: SearchRecords
    step: int | None
    effects: pd.DataFrame
    importances: dict[str, Importance | None]
    paths: list[SearchPath]

    @property
    def shares(self) -> pd.DataFrame:
        """Importance of each setting, by part and method."""
        own = [one.single.assign(part=part) for part, one in self.importances.items() if one]
        empty = pd.DataFrame(columns=["importance", "chance", "p_value", "setting", "method", "part"])
        return pd.concat(own or [empty], ignore_index=True)

    @property
    def pairs(self) -> pd.DataFrame:
        """What pairs of settings add, by part."""
        own = [one.pairs.assign(part=part) for part, one in self.importances.items() if one and len(one.pairs)]
        empty = pd.DataFrame(columns=["importance", "chance", "p_value", "first", "second", "part"])
        return pd.concat(own or [empty], ignore_index=True)


def analyse(records: SearchRecords) -> Ablation:
    """Everything at the last step that all candidates came to; the search and its control apart.

    The control is drawn at random, so that its means are fair; a searcher proposes more of what did well.
    """
    known = judged(records.candidates)
    importances = {}
    for part in parts(records):
        own = known[known["part"] == part].drop_duplicates("keys")
        importances[part] = importance(settings(own, as_object(records.searched["space"])), own["shared_gain"])
    return Ablation(
        records=records,
        step=shared_step(records.candidates),
        effects=effects_of(records),
        importances=importances,
        paths=paths_of(records),
    )


def effects_of(records: SearchRecords) -> pd.DataFrame:
    """Main effects in search and control, at the step that all came to and at the last, of finished candidates alone.

    Where nothing was stopped early the two are the same, and only the first is given.
    """
    step, last = shared_step(records.candidates), max(steps_of(records.candidates), default=None)
    found = []
    known, last_ones = judged(records.candidates), records.candidates[records.candidates["state"] == "finished"]
    table = settings(records.candidates, as_object(records.searched["space"]))
    for part in parts(records):
        bases = [(ALL, step, known.rename(columns={"gain": "last", "shared_gain": "gain"}))]
        bases += [(FINISHED, last, last_ones)] if last != step else []
        for basis, at, chosen in bases:
            gains = chosen[chosen["part"] == part]["gain"].astype(float)
            effects = main_effects(table.loc[table.index.intersection(gains.index)], gains)
            found.append(effects.assign(part=part, basis=basis, step=nan if at is None else at))
    empty = pd.DataFrame(columns=[*COLUMNS, "part", "basis", "step"])
    return pd.concat([one for one in found if len(one)] or [empty], ignore_index=True)
