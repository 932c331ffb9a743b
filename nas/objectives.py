"""What a search aims at, read from the records of its trials."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusemorph.pareto import Direction
from fusemorph.records import history_of, read_record
from fusemorph.storage import RecordError
from fusemorph.trials.job import Job
from nas.proxy import known_proxies


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A number to be made large or small: where a record has it, and in which direction it is better.

    ``of_record``: a fact that the configuration determines; otherwise a column of the history, at its last row.
    ``proxy``: no record has it: it is the zero-cost proxy of that name, measured of the untrained network.
    """

    name: str
    title: str
    direction: Direction
    column: str
    of_record: bool = False
    proxy: bool = False


_COSTS = (
    Objective(name="flops", title="FLOPs", direction="minimize", column="flops", of_record=True),
    Objective(name="parameters", title="parameters", direction="minimize", column="parameters", of_record=True),
)
OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(name="dice", title="val Dice, gain over identity", direction="maximize", column="val_dice"),
        Objective(name="regularity", title="sd log Jacobian", direction="minimize", column="val_sd_log_jacobian"),
        Objective(name="folding", title="folding fraction", direction="minimize", column="val_folding_fraction"),
        *_COSTS,
        *(
            Objective(name=name, title=f"{name} (untrained)", direction="maximize", column="", proxy=True)
            for name in known_proxies()
            if name not in {cost.name for cost in _COSTS}
        ),
    )
}


def needs_training(objectives: Sequence[Objective]) -> bool:
    """Whether a candidate has to be trained: not where proxies, with or without its costs, are all that counts."""
    return not (any(o.proxy for o in objectives) and all(o.proxy or o.of_record for o in objectives))


def find_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of these names.

    Raises:
        ValueError: an unknown objective (the known ones are listed), or the same one twice.
    """
    unknown = sorted(set(names) - set(OBJECTIVES))
    if unknown:
        raise ValueError(f"find_objectives(): unknown objective {', '.join(unknown)}; known: {', '.join(OBJECTIVES)}")
    if len(set(names)) < len(names):
        raise ValueError(f"find_objectives(): each objective must be named once, got {', '.join(names)}")
    return tuple(OBJECTIVES[name] for name in names)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the records say of one trial: its dataset, its facts, and its validations so far."""

    dataset: str
    record: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]

    @classmethod
    def read(cls, job: Job, runs: Path) -> "Result":
        """The result of a job.

        Raises:
            RecordError: record or history cannot be read.
        """
        folder = runs / job.trial.key
        record, history = read_record(folder), history_of(folder)
        last = history[-1].get("step") if history else None
        if record["status"] in ("finished", "pruned") and last != record.get("step"):
            raise RecordError(
                f"{folder / 'history.csv'} must end at step {record.get('step')}, as its record does, got {last}"
            )
        return cls(dataset=job.trial.dataset["name"], record=record, history=history)


def measure(objective: Objective, results: Sequence[Result], identity_dice: Mapping[str, float]) -> float:
    """The objective's mean over the finished trials of a candidate; Dice counts from the floor of each dataset.

    Not for proxies, which no trial has.
    """
    values = []
    for result in results:
        row: Mapping[str, Any] = result.record if objective.of_record else result.history[-1]
        identity = identity_dice[result.dataset] if objective.name == "dice" else 0.0
        values.append(float(row[objective.column]) - identity)
    return float(np.mean(values))


def gains_by_step(results: Sequence[Result], identity_dice: Mapping[str, float]) -> dict[int, float]:
    """Mean gain in val Dice over the trials at each step that all of them have come to."""
    curves = [{int(row["step"]): row["val_dice"] - identity_dice[r.dataset] for row in r.history} for r in results]
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    means = {step: float(np.mean([curve[step] for curve in curves])) for step in shared}
    return {step: mean for step, mean in means.items() if math.isfinite(mean)}
