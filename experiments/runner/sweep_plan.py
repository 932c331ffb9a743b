"""A sweep: a study made concrete. Names resolved, data opened and checked, every trial listed, before any starts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import torch

from experiments.runner.datasets import Other, dataset_entry, open_datasets, open_others, require_pairs, selection_split
from experiments.runner.drivers import require_shares
from experiments.runner.labels import described, label_counts, over_labels
from experiments.runner.option_types import StudyName, suggestion
from experiments.runner.options import StudyOptions, SweepOptions
from experiments.study import Arm, Study, make_trial, refined
from fusemorph.complexity import count_cost, count_parameters
from fusemorph.configuration import Budget, Json, Trial, written_settings
from fusemorph.data.dataset import Dataset
from fusemorph.data.masked import sentences as masked_sentences
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import gated_stages, parse_plan
from fusemorph.networks.padding import padded_shape
from fusemorph.precision import computed_in
from fusemorph.trials.job import Job, OtherData, evaluation_name
from nas.spaces import SPACES


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study's arms on one opened dataset, and the trial of each arm and seed; untrained arms have one trial.

    ``split``: where figures are reported: test, or val where test is absent or the study itself selects. ``skipped``:
    arms that are not applicable here, with the reason. ``trials`` may leave arms out that were not asked for.
    ``others``: data sets that trials are evaluated on, too. ``space``: the named space whose plans are the arms.
    """

    name: str
    study: Study
    options: SweepOptions
    dataset: Dataset
    budget_name: str
    budget: Budget
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    skipped: Mapping[str, str]
    split: str
    trials: tuple[tuple[Arm, Trial], ...]
    others: tuple[Other, ...] = ()
    space: str = ""

    def jobs(self) -> list[Job]:
        """The distinct trials, with where and how they run here."""
        data, execution = self.options.data, self.options.execution
        return [
            Job(
                trial=trial, splits=(self.split,), data=data.folders.get(self.dataset.name), cache=data.cache,
                threads=execution.threads, device=execution.device,
                devices=execution.devices_per_trial, checkpointing=execution.checkpointing,
                label=self.labels[trial.key], work=self.work(arm, trial), others=self.others_of(arm),
                label_warp=self.options.study.label_warp,
                selection=data.folders.get(data.select_on) if data.select_on else None,
            )
            for arm, trial in {trial.key: (arm, trial) for arm, trial in self.trials}.values()
        ]  # fmt: skip

    @property
    def evaluation(self) -> str:
        """What the folder of the evaluation on the reported split is called in a trial's ``eval``."""
        return evaluation_name(self.split, self.options.study.label_warp)

    def others_of(self, arm: Arm) -> tuple[OtherData, ...]:
        """What an arm is evaluated on beside its own data: sets to which it is applicable as it is.

        A method that segments the labels of the data that it is trained on is not applicable where there are others.
        """
        folders = self.options.data.folders
        return tuple(
            OtherData(
                dataset=other.dataset.configuration(), split=other.split, data=folders.get(other.dataset.name),
                label_warp=self.options.study.label_warp,
            )
            for other in self.others
            if arm.method.skip(other.dataset) is None and arm.method.for_dataset(other.dataset) == arm.method
        )  # fmt: skip

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """What each trial is called, by key: its arm and seed."""
        return {trial.key: f"{arm.label} seed {trial.seed}" for arm, trial in reversed(self.trials)}

    @cached_property
    def costs(self) -> Mapping[str, tuple[int, int]]:
        """Parameters and forward FLOPs by label of the arm."""
        shape = padded_shape(self.dataset.shape)
        return {arm.label: count_cost(arm.method, shape) for arm in self.arms}

    def steps(self, arm: Arm, trial: Trial) -> int:
        """Training steps of a trial; none where it takes the weights of another one of the sweep."""
        if not trial.budget:
            return 0
        source = replace(trial, method=arm.method.trained_as.configuration())
        return 0 if source.key != trial.key and source.key in self.labels else int(trial.budget["steps"])

    def work(self, arm: Arm, trial: Trial) -> float:
        """How much there is to train for a trial, at least 1: forward FLOPs times steps; of a space's plans the steps,
        since counting what hundreds of networks compute takes minutes."""
        flops = 1 if self.space else self.costs[arm.label][1]
        return max(1.0, flops * float(self.steps(arm, trial)))

    @cached_property
    def largest(self) -> int:
        """The most parameters of an arm; of a space's plans those of one with the most stages that weigh candidates."""
        if not self.space:
            return max((parameters for parameters, _ in self.costs.values()), default=0)
        plans = [arm.method for arm in self.arms if isinstance(arm.method, Fusion)]
        return count_parameters(max(plans, key=lambda method: len(gated_stages(method.plan))), len(self.dataset.shape))

    def title(self) -> str:
        """How much is to be done on what, and whether otherwise than the budget says."""
        text = f"{self.name}: {len(self.trials)} trials on {self.dataset.title}"
        asked, device = self.budget.precision, torch.device(self.options.execution.device)
        if any(arm.trained for arm, _ in self.trials) and (got := computed_in(asked, device)) != asked:
            text += f", trained in {got} since this processor has no {asked}"
        return text


def make_sweeps(study: Study, options: SweepOptions) -> list[Sweep]:
    """The study on each of the datasets asked for.

    Raises:
        ValueError: a wrong name, setting or file, or a split without pairs; the message says which.
    """
    budget_name = options.study.budget or study.budget
    if study.selects and options.data.select_on:
        raise ValueError(f"--select-on: {options.study_name} makes its choices on val of the training data set")
    datasets = open_datasets(options.data, study.dataset, study.dataset_settings)
    others = open_others(options.data, datasets)
    return [
        make_sweep(
            study, options, budget_name=budget_name, dataset=dataset, seeds=options.study.seeds or study.seeds,
            name=sweep_name(options, dataset.name, budget_name, space=options.study.space or study.space),
            others=others,
        )
        for dataset in datasets
    ]  # fmt: skip


def sweep_name(options: SweepOptions, dataset: str, budget: str, *, space: str = "") -> str:
    """What a study is called in RUNS: the name asked for, with the dataset's where there are several.

    Raises:
        ValueError: it is no name for a file.
    """
    several = len(options.data.datasets) > 1
    chosen = options.study.name and (f"{options.study.name}-{dataset}" if several else options.study.name)
    studied = f"{options.study_name}-{space}" if space else options.study_name
    try:
        return StudyName().read(chosen or options.study.study_name(studied, dataset, budget))
    except ValueError as error:
        raise ValueError(f"--name: {error}") from error


def make_sweep(
    study: Study, options: SweepOptions, *, name: str, dataset: Dataset, budget_name: str, seeds: int,
    others: tuple[Other, ...] = (),
) -> Sweep:  # fmt: skip
    """A study on one dataset: its arms, and the trials of those asked for.

    Raises:
        ValueError: an unknown budget or arm, or a split without pairs.
    """
    budget = options.study.find_budget(budget_name)
    require_shares(options.execution, budget, budget_name)
    split = "val" if study.selects or dataset.missing("test") else "test"
    require_pairs(dataset, split)
    space = options.study.space or study.space
    all_arms = [
        replace(arm, method=arm.method.for_dataset(dataset))
        for arm in study.arms_for(dataset.shape, budget, options.study.space)
    ]
    if asked := options.study.label_numbers or study.labels:
        all_arms = over_labels(all_arms, label_counts(dataset, asked), subjects=len(dataset.labelled_subjects))
    if study.optimise_instances:
        all_arms += [fitted for arm in all_arms if arm.trained and (fitted := refined(arm)) not in all_arms]
    added = [*_replanned(all_arms, options.study), *_refined(all_arms, options.study)]
    all_arms += [arm for arm in added if arm not in all_arms]
    skipped = {arm.label: reason for arm in all_arms if (reason := arm.method.skip(dataset))}
    arms = tuple(arm for arm in all_arms if arm.label not in skipped)
    wanted = _wanted(arms, [*options.study.arms, *(arm.label for arm in added)])
    pairs = [(arm, seed) for seed in range(seeds) for arm in wanted if arm.trained or seed == 0]
    if space:
        pairs.sort(key=lambda pair: wanted.index(pair[0]))
    entries = {count: described(dataset, arm) for count, arm in {arm.labelled: arm for arm in wanted}.items()}
    trials = tuple((arm, make_trial(arm, entries[arm.labelled], budget, seed)) for arm, seed in pairs)
    return Sweep(
        name=name, study=study, options=options, dataset=dataset, budget_name=budget_name, budget=budget,
        seeds=tuple(range(seeds)), arms=arms, skipped=skipped, split=split, trials=trials,
        others=others, space=space,
    )  # fmt: skip


def _replanned(arms: Sequence[Arm], options: StudyOptions) -> list[Arm]:
    """The arms of ``--arm`` with the plan of ``--plan``, as a decoded plan takes the place of gates."""
    if not options.plan:
        return []
    plan = parse_plan(options.plan)
    chosen = [(arm, arm.method) for arm in arms if arm.label in options.arms]
    if fixed := [arm.label for arm, method in chosen if not isinstance(method, Fusion)]:
        raise ValueError(f"--plan: {', '.join(fixed)} has no plan to be replaced")
    return [
        replace(arm, label=f"{arm.label} as {plan}", method=replace(method, plan=plan))
        for arm, method in chosen
        if isinstance(method, Fusion)
    ]


def _refined(arms: Sequence[Arm], options: StudyOptions) -> list[Arm]:
    """The arms of ``--arm`` with instance optimisation in the steps of ``--refine``."""
    return [refined(arm, steps=options.refine) for arm in arms if options.refine and arm.label in options.arms]


def _wanted(arms: tuple[Arm, ...], labels: Sequence[str]) -> tuple[Arm, ...]:
    names = list(dict.fromkeys([*(arm.strategy for arm in arms if arm.strategy), *(arm.label for arm in arms)]))
    if unknown := sorted(set(labels) - set(names)):
        raise ValueError(
            f"--arm: no arm {', '.join(unknown)}; known: {'; '.join(names)}{suggestion(unknown[0], names)}"
        )
    return tuple(arm for arm in arms if not labels or {arm.label, arm.strategy} & set(labels))


def study_entry(sweep: Sweep) -> Json:
    """What ``RUNS/studies/NAME.json`` says: question, protocol, arms and the keys of their trials."""
    missing = "; ".join(sweep.dataset.missing("test"))
    return (
        {
            "name": sweep.name,
            "study": sweep.options.study_name,
            "question": sweep.study.question,
            "protocol": [*sweep.study.protocol, *masked_sentences(sweep.dataset)],
            "dataset": dataset_entry(sweep.dataset),
            "budget": {"name": sweep.budget_name} | written_settings(sweep.budget),
            "seeds": list(sweep.seeds),
            "reference": sweep.study.reference,
            "reported_split": sweep.evaluation,
            "selection_split": evaluation_name(selection_split(sweep.dataset), sweep.options.study.label_warp),
            "split_note": f"val is reported, the selection split. {missing}".strip() if sweep.split == "val" else "",
            "skipped": dict(sweep.skipped),
            "arms": [_arm_entry(sweep, arm) for arm in sweep.arms],
        }
        | evaluated_on(sweep)
        | ({"space": space_entry(sweep.space)} if sweep.space else {})
    )


def space_entry(name: str) -> Json:
    """What the entry of a study says of the space whose plans are its arms."""
    space = SPACES[name](Fusion().configuration())
    return {"name": name, "operators": space.operators, "tied": [list(group) for group in space.tied]}


def evaluated_on(sweep: Sweep) -> Json:
    """What a study says of the data sets that it is evaluated on without being trained on them."""
    warp = sweep.options.study.label_warp
    entries = [
        {"folder": evaluation_name(other.folder, warp), "split": other.split, "dataset": dataset_entry(other.dataset)}
        for other in sweep.others
    ]
    return {"evaluated_on": entries} if entries else {}


def _arm_entry(sweep: Sweep, arm: Arm) -> Json:
    keys = {str(trial.seed): trial.key for its_arm, trial in sweep.trials if its_arm is arm}
    entry: Json = {"label": arm.label, "group": arm.group, "method": arm.method.configuration(), "keys": keys}
    if arm.labelled is not None:
        entry |= {"labelled": arm.labelled, "strategy": arm.strategy}
    published = [asdict(score) for score in arm.method.published]
    return entry | {"budget_changes": dict(arm.budget_changes)} | ({"published": published} if published else {})
