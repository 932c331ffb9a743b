"""The confirmation of a search: its best configurations trained anew beside their rivals, and evaluated on test."""

import argparse
from collections.abc import Sequence

from baselines.identity import Identity
from experiments.planning import Sweep, make_sweep, study_entry
from experiments.searching import Hunt, entry_name
from experiments.study import Arm, Study, register_study
from fusemorph.configuration import Budget, find_budget
from fusemorph.method import load_method
from nas.search import Candidate


def confirm_plan(hunt: Hunt, options: argparse.Namespace) -> tuple[int, Budget, int]:
    """How many are confirmed, at which budget, with how many seeds."""
    count = hunt.study.confirmed if options.confirm is None else options.confirm
    return (
        count,
        find_budget(options.confirm_budget or hunt.study.confirm_budget),
        (options.confirm_seeds or hunt.study.confirm_seeds),
    )


def confirming_sweeps(hunt: Hunt, best: Sequence[Candidate], seeds: int, options: argparse.Namespace) -> list[Sweep]:
    """The confirmation on each dataset, with its entry written."""
    budget_name = options.confirm_budget or hunt.study.confirm_budget
    sweeps = [
        make_sweep(
            confirmation(hunt, best), options, study_name=hunt.study_name, budget_name=budget_name, dataset=dataset,
            name=f"{entry_name(hunt, dataset, control=False)}-best-of-{hunt.trials}", seeds=seeds,
        )
        for dataset in hunt.datasets
    ]  # fmt: skip
    for sweep in sweeps:
        register_study(options.runs, study_entry(sweep))
    return sweeps


def confirmation(hunt: Hunt, best: Sequence[Candidate]) -> Study:
    """The study that trains the best again, beside its rivals."""

    def arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
        found = [
            Arm(
                label=f"found {i + 1}: {candidate.label}", group="found", method=load_method(candidate.method),
                budget_changes=candidate.budget_changes,
            )
            for i, candidate in enumerate(best)
        ]  # fmt: skip
        return [Arm(label="identity", group="floor", method=Identity()), *hunt.study.rivals(budget), *found]

    goals = ", ".join(goal.title for goal in hunt.goals)
    return Study(
        question=f"Does what the search found hold up when trained anew? {hunt.study.question}",
        protocol=(
            *hunt.study.protocol,
            f"The {len(best)} best of {hunt.trials} configurations by {goals} on val, searched at {hunt.budget_name}, "
            "are trained anew with fresh seeds of this budget beside the named plans; only these see test.",
        ),
        reference=hunt.study.rivals(hunt.budget)[-1].label,
        arms=arms,
        measure_cost=False,
    )
