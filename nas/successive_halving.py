"""Early stopping by asynchronous successive halving, decided from the records of a study's trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusemorph.configuration import Budget
from fusemorph.records import history_of
from fusemorph.storage import RecordError, read_json

FEWEST_VALIDATIONS = 4
"""A budget with fewer, such as ``smoke``, is over before anything could be judged."""
RUNG_SHARES = (1 / 2, 3 / 4)


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving:
    """Stops a trial at a rung unless it is among the best ``1 / reduction`` of its peers there.

    Peers are the trials of the same seed that the study's entry lists and that have come to the rung, now or earlier,
    whatever became of them. No state is kept: any process on any node comes to the same judgement from the same files.

    Source: Li et al. 2020, "A system for massively parallel hyperparameter tuning", the variant that stops.
    """

    study: str
    seed: int
    rungs: tuple[int, ...]
    reduction: int = 2

    def __call__(self, runs: Path, history: Sequence[Mapping[str, float]]) -> str | None:
        """Why the trial should stop after the last row of its history; None where it should go on."""
        step, dice = int(history[-1]["step"]), float(history[-1]["val_dice"])
        if step not in self.rungs:
            return None
        reached = sorted(self._at(runs, step), reverse=True)
        if len(reached) < self.reduction:
            return None
        needed = reached[len(reached) // self.reduction - 1]
        if dice >= needed:
            return None
        return f"stopped at step {step}: val Dice {dice:.4f} is below {needed:.4f}, the best 1/{self.reduction} there"

    def _at(self, runs: Path, step: int) -> list[float]:
        """Val Dice of every peer at that step, this trial included."""
        arms = read_json(runs / "studies" / f"{self.study}.json")["arms"]
        keys = {arm["keys"].get(str(self.seed)) for arm in arms} - {None}
        values = []
        for key in keys:
            try:
                rows = history_of(runs / key)
            except RecordError:
                continue  # a peer's damaged table says nothing about this trial
            values += [row["val_dice"] for row in rows if row["step"] == step and row["val_dice"] == row["val_dice"]]
        return values


def rungs_of(budget: Budget) -> tuple[int, ...]:
    """The validation steps nearest to half and to three quarters of the budget's steps; none for a smoke budget.

    The source spaces its rungs geometrically from the start. Here ranks at a quarter of the steps said little of the
    end (experiments/LOG.md, placement), so nothing is judged before half.
    """
    steps = budget.validation_steps()
    if len(steps) < FEWEST_VALIDATIONS:
        return ()
    return tuple(sorted({min(steps, key=lambda step: abs(step - share * budget.steps)) for share in RUNG_SHARES}))
