"""The study of a supernet made concrete: space, budgets and data, checked before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from baselines.identity import Identity
from experiments.runner.datasets import open_datasets
from experiments.runner.option_fields import Options, flag_of
from experiments.runner.options import SweepOptions
from experiments.runner.sweep_plan import Sweep, make_sweep, sweep_name
from experiments.study import Arm, OneShotStudy, Study
from fusemorph.configuration import Budget
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.method import Fusion
from nas.fine_tuned import FineTuned
from nas.proxy import known_proxies
from nas.space import Space
from nas.spaces import SPACES, placement
from nas.supernet import Supernet, largest_plan

WITHOUT_MEANING = {
    "study": ("arms", "labels", "plan", "refine", "compile"),
    "data": ("select_on", "evaluate_on"),
    "search": (
        "searcher", "trials", "semi", "objectives", "early_stopping", "warm_start", "max_parameters", "max_flops",
        "max_folding", "confirm_budget", "confirm_seeds", "no_control",
    ),
}  # fmt: skip
"""Options of other studies, which would be taken for what they are not."""


@dataclass(frozen=True, kw_only=True)
class OneShotSetup:
    """The study on its data set, with all that its options settled.

    ``seeds``: of the plans that are trained alone; the supernet has seed 0. ``best``: how many of the best are, and
    ``sample``: how many others.
    """

    name: str
    study: OneShotStudy
    options: SweepOptions
    dataset: Dataset
    budget_name: str
    budget: Budget
    space_name: str
    space: Space
    supernet: Supernet
    supernet_budget: Budget
    seeds: int
    best: int
    sample: int
    score_pairs: int

    @property
    def proxies(self) -> tuple[str, ...]:
        """Names of the proxies that are compared."""
        return tuple(dict.fromkeys(self.options.oneshot.proxies)) or known_proxies()

    @property
    def fine_tunes(self) -> bool:
        """Whether the best are also trained on from the shared weights."""
        return self.options.oneshot.fine_tune

    @cached_property
    def supernet_sweep(self) -> Sweep:
        """The training of the supernet, as a sweep of one arm."""
        arm = Arm(label="supernet", group="supernet", method=self.supernet, budget_changes=self._longer)
        study = self._study([arm], reference="supernet")
        return self._sweep(study, name=f"{self.name}-supernet", seeds=1)

    def plans_sweep(self, best: Sequence[str], others: Sequence[str]) -> Sweep:
        """The training of these plans alone and, if that is asked for, of the best from the shared weights."""
        arms = [Arm(label="identity", group="floor", method=Identity())]
        arms += [Arm(label=plan, group="plan", method=self.supernet.alone(plan)) for plan in (*best, *others)]
        if self.fine_tunes:
            arms += [Arm(label=f"{p}, fine-tuned", group="fine-tuned", method=self._fine_tuned(p)) for p in best]
        return self._sweep(self._study(arms, reference="identity"), name=self.name, seeds=self.seeds)

    def chosen(self, ranked: Sequence[str]) -> tuple[list[str], list[str]]:
        """The best of the plans, ranked best first, and a sample of the others, the same one whenever it is drawn."""
        best = list(ranked[: self.best])
        order = np.random.default_rng(0).permutation(len(self.space.plans()))
        shuffled = [self.space.plans()[i] for i in order]
        return best, [plan for plan in shuffled if plan not in best][: self.sample]

    @property
    def _longer(self) -> dict[str, int]:
        return {"steps": self.supernet_budget.steps}

    def _fine_tuned(self, plan: str) -> FineTuned:
        return FineTuned(of=self.supernet, plan=plan, supernet_budget=self.supernet_budget)

    def _study(self, arms: Sequence[Arm], *, reference: str) -> Study:
        return Study(
            question=self.study.question, protocol=self.study.protocol, reference=reference,
            arms=lambda shape, budget: arms, selects=True, measure_cost=False,
        )  # fmt: skip

    def _sweep(self, study: Study, *, name: str, seeds: int) -> Sweep:
        options = replace(self.options, study=replace(self.options.study, space=None))
        return make_sweep(study, options, name=name, dataset=self.dataset, budget_name=self.budget_name, seeds=seeds)


def prepare_oneshot(study: OneShotStudy, options: SweepOptions) -> OneShotSetup:
    """Resolve every name, open and check the data: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting or file, an option of another study, or nothing left to compare.
    """
    _refuse_options_of_others(options)
    budget_name, asked = options.study.budget or study.budget, options.oneshot
    budget = options.study.find_budget(budget_name)
    space_name, space = _space(study.base(budget), study, options)
    (dataset,) = _one_dataset(options, study)
    plans = space.plans()
    best = study.best if options.search.confirm is None else options.search.confirm
    best, sample = min(best, len(plans)), study.sample if asked.sample is None else asked.sample
    sample = min(sample, len(plans) - best)
    if best + sample < 1:
        raise ValueError("--confirm 0 with --sample 0: no plan is trained alone, and nothing is compared")
    base = replace(study.base(budget), plan=largest_plan(plans))
    supernet = Supernet(of=base.for_dataset(dataset), operators="", plans=plans, draw=asked.draw)
    return OneShotSetup(
        name=sweep_name(options, dataset.name, budget_name, space=space_name), study=study, options=options,
        dataset=dataset, budget_name=budget_name, budget=budget, space_name=space_name, space=space,
        supernet=supernet, supernet_budget=replace(budget, steps=asked.supernet_steps or study.supernet_steps),
        seeds=options.study.seeds or study.seeds, best=best, sample=sample,
        score_pairs=min(asked.score_pairs or study.score_pairs, len(dataset.selection.pairs("val"))),
    )  # fmt: skip


def _space(base: Fusion, study: OneShotStudy, options: SweepOptions) -> tuple[str, Space]:
    """The space of plans and what it is called: a named one, or all plans over ``--operators``."""
    operators, named = options.search.operators, options.study.space
    if operators and named:
        raise ValueError("--operators and --space: give one of them, each says which plans there are")
    name = (operators or "").replace("/", "-") or named or study.space
    space = placement(base.configuration(), operators) if operators else SPACES[name](base.configuration())
    space.check()
    if len(space.plans()) < 2:
        raise ValueError(f"--operators {operators}: a space of one plan has nothing to share")
    return name, space


def _one_dataset(options: SweepOptions, study: OneShotStudy) -> tuple[Dataset]:
    if len(options.data.datasets) > 1:
        raise ValueError("--dataset: a supernet is trained on one data set; call it once for each")
    (dataset,) = open_datasets(options.data, study.dataset)
    if not dataset.selection.labels:
        raise ValueError(f"--dataset {dataset.name}: plans are scored by val Dice, and it has no labels")
    return (dataset,)


def _refuse_options_of_others(options: SweepOptions) -> None:
    for group, names in WITHOUT_MEANING.items():
        given: Options = getattr(options, group)
        for item in fields(given):
            if item.name in names and getattr(given, item.name) not in (None, (), False):
                raise ValueError(f"{flag_of(item)}: the study {options.study_name} has no use for it")
