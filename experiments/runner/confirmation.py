"""The confirmation of a search: its best trained anew beside the arms of comparison, and evaluated on test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.identity import Identity
from experiments.runner.search_entry import entry_name
from experiments.runner.search_setup import SearchSetup
from experiments.runner.sweep_plan import Sweep, make_sweep, study_entry
from experiments.study import Arm, Study, register_study
from fusemorph.configuration import Budget
from fusemorph.method import load_method
from fusemorph.storage import read_json
from nas.search import Search

FOUND = "found"


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """How many of a search's best are confirmed, at which budget, with how many seeds."""

    count: int
    budget_name: str
    budget: Budget
    seeds: int


def plan_confirmation(setup: SearchSetup) -> Confirmation:
    """What was asked for, or else what the study says."""
    options = setup.options.search
    name = options.confirm_budget or setup.study.confirm_budget
    return Confirmation(
        count=setup.study.confirmed if options.confirm is None else options.confirm,
        budget_name=name,
        budget=setup.options.study.find_budget(name),
        seeds=options.confirm_seeds or setup.study.confirm_seeds,
    )


def confirming_sweeps(setup: SearchSetup, search: Search) -> list[Sweep]:
    """The confirmation on each dataset, with its entry written; none where nothing is to be confirmed."""
    plan = plan_confirmation(setup)
    usual = (setup.study.confirmed, setup.study.confirm_budget)
    suffix = "" if (plan.count, plan.budget_name) == usual else f"-{plan.count}-{plan.budget_name}"
    names = [f"{entry_name(setup, d, control=False)}-best-of-{setup.trials}{suffix}" for d in setup.datasets]
    chosen = _chosen(setup.options.runs, names[0]) or _choose(search, plan.count)
    if not chosen:
        return []
    sweeps = [
        make_sweep(
            confirmation(setup, chosen), setup.options, budget_name=plan.budget_name, dataset=dataset, name=name,
            seeds=plan.seeds, others=setup.others,
        )
        for dataset, name in zip(setup.datasets, names, strict=True)
    ]  # fmt: skip
    for sweep in sweeps:
        register_study(setup.options.runs, study_entry(sweep))
    return sweeps


def _choose(search: Search, count: int) -> list[Arm]:
    """The best of a search, as arms."""
    return [
        Arm(
            label=f"found {i + 1}: {candidate.label}", group=FOUND, method=load_method(candidate.method),
            budget_changes=candidate.budget_changes,
        )
        for i, candidate in enumerate(search.ranked()[:count])
    ]  # fmt: skip


def _chosen(runs: Path, name: str) -> list[Arm]:
    """The arms chosen earlier under that name: another study may since have trained what the search had stopped, and
    a choice that was made is not made again."""
    path = runs / "studies" / f"{name}.json"
    present = [arm for arm in read_json(path)["arms"] if arm["group"] == FOUND] if path.exists() else []
    return [
        Arm(label=arm["label"], group=FOUND, method=load_method(arm["method"]), budget_changes=arm["budget_changes"])
        for arm in present
    ]


def confirmation(setup: SearchSetup, chosen: Sequence[Arm]) -> Study:
    """The study that trains what was found again, beside the arms of comparison."""

    def arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
        compared = setup.study.comparison_arms(budget)
        return [Arm(label="identity", group="floor", method=Identity()), *compared, *chosen]

    objectives = ", ".join(objective.title for objective in setup.objectives)
    plan = plan_confirmation(setup)
    return Study(
        question=f"Does what the search found hold up when trained anew? {setup.study.question}",
        protocol=(
            f"The {len(chosen)} best of {setup.trials} configurations by {objectives} on val, searched at "
            f"{setup.budget_name}, are trained anew at {plan.budget_name} beside the named plans, with seeds 0 to "
            f"{plan.seeds - 1}; the search itself trained with seed 0.",
        ),
        reference=setup.study.comparison_arms(setup.budget)[-1].label,
        arms=arms,
        measure_cost=False,
    )
