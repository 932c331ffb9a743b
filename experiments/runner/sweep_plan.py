"""A sweep: a study made concrete. Names resolved, data opened and checked, every trial listed, before any starts."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from experiments.study import Arm, Study, make_trial, refined
from fusemorph.complexity import count_flops
from fusemorph.configuration import Budget, Json, Trial, find_budget, written_settings
from fusemorph.data import open_dataset, parse_setting
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.plan import parse_plan
from fusemorph.networks.padding import padded_shape
from fusemorph.paths import expanded
from fusemorph.precision import computed_in
from fusemorph.trials.run import Job


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study's arms on one opened dataset, and the trial of each arm and seed; untrained arms have one trial.

    ``split``: where figures are reported: test, or val where test is absent or the study itself selects. ``skipped``:
    arms that cannot serve here, with the reason. ``trials`` may leave arms out that were not asked for.
    """

    name: str
    study_name: str
    study: Study
    dataset: Dataset
    data: Path | None
    budget_name: str
    budget: Budget
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    skipped: Mapping[str, str]
    split: str
    trials: tuple[tuple[Arm, Trial], ...]

    def jobs(self, options: argparse.Namespace) -> list[Job]:
        """The distinct trials, with where and how they run here."""
        shape = padded_shape(self.dataset.shape)
        distinct = {trial.key: (arm, trial) for arm, trial in self.trials}
        return [
            Job(
                trial=trial, splits=(self.split,), data=self.data, cache=options.cache, threads=options.threads,
                device=options.device, label=self.label(trial), work=self.work(arm, trial, shape),
            )
            for arm, trial in distinct.values()
        ]  # fmt: skip

    def label(self, trial: Trial) -> str:
        """What a trial is called: its arm and seed."""
        return next(f"{arm.label} seed {trial.seed}" for arm, own in self.trials if own.key == trial.key)

    def steps(self, arm: Arm, trial: Trial) -> int:
        """Training steps of a trial; none where it takes the weights of another one of the sweep."""
        source = replace(trial, method=arm.method.trained_as.configuration())
        taken = source.key != trial.key and any(own.key == source.key for _, own in self.trials)
        return int(trial.budget["steps"]) if trial.budget and not taken else 0

    def title(self, options: argparse.Namespace) -> str:
        """How much is to be done on what, and whether otherwise than the budget says."""
        told = f"{self.name}: {len(self.trials)} trials on {self.dataset.title}"
        asked, device = self.budget.precision, torch.device(options.device)
        if any(arm.trained for arm, _ in self.trials) and (got := computed_in(asked, device)) != asked:
            told += f", trained in {got} since this processor has no {asked}"
        return told

    def work(self, arm: Arm, trial: Trial, shape: tuple[int, ...]) -> float:
        """How much there is to train for a trial: forward FLOPs times steps, at least 1."""
        return max(1.0, count_flops(arm.method, shape) * float(self.steps(arm, trial)))


def make_sweeps(study: Study, options: argparse.Namespace) -> list[Sweep]:
    """The study on each of the datasets asked for.

    Raises:
        ValueError: a wrong name, setting or file, or a split without pairs; the message says which.
    """
    budget_name = options.budget or study.budget
    return [
        make_sweep(
            study, options, study_name=options.study, budget_name=budget_name, dataset=dataset,
            name=sweep_name(options, dataset.name, budget_name), seeds=options.seeds or study.seeds,
        )
        for dataset in open_datasets(options, study.dataset, study.dataset_settings)
    ]  # fmt: skip


def sweep_name(options: argparse.Namespace, dataset: str, budget: str) -> str:
    """What a study is called in RUNS: the name asked for, with the dataset's where there are several.

    Raises:
        ValueError: a character that a file's name had better not have.
    """
    name = options.name or f"{options.study}-{dataset}-{budget}"
    if options.name and len(options.dataset) > 1:
        name = f"{options.name}-{dataset}"
    if not re.fullmatch(r"[\w.+=-]+", name):
        raise ValueError(f"--name must hold letters, digits and . + = - alone, got {name!r}")
    return name


def open_datasets(
    options: argparse.Namespace, default: str, default_settings: Mapping[str, Any] | None = None
) -> list[Dataset]:
    """The datasets asked for, opened, checked and preprocessed.

    Raises:
        ValueError: an unknown dataset or setting, a file that cannot serve, or no pairs to select on.
    """
    names = options.dataset or [default]
    folders = data_folders(options.data, names)
    settings = dict(default_settings or {}) if not options.dataset else {}
    settings |= dict(parse_setting(entry) for entry in options.set)
    datasets = [open_dataset(name, folders.get(name), cache=options.cache, **settings) for name in names]
    for dataset in datasets:
        _require_pairs(dataset, "val")
        dataset.prepare(progress=sys.stdout.isatty())
    return datasets


def make_sweep(
    study: Study, options: argparse.Namespace, *, study_name: str, name: str, dataset: Dataset, budget_name: str,
    seeds: int,
) -> Sweep:  # fmt: skip
    """A study on one dataset: its arms, and the trials of those asked for.

    Raises:
        ValueError: an unknown budget or arm, or a split without pairs.
    """
    budget = find_budget(budget_name)
    split = "val" if study.selects or dataset.missing("test") else "test"
    _require_pairs(dataset, split)
    all_arms = [*study.arms(dataset.shape, budget)]
    if study.optimise_instances:
        all_arms += [own for arm in all_arms if arm.trained and (own := refined(arm)) not in all_arms]
    added = [*_replanned(all_arms, options), *_refined(all_arms, options)]
    all_arms += [arm for arm in added if arm not in all_arms]
    skipped = {arm.label: reason for arm in all_arms if (reason := arm.method.skip(dataset))}
    arms = tuple(arm for arm in all_arms if arm.label not in skipped)
    wanted = _wanted(arms, [*options.arm, *(arm.label for arm in added)])
    described = describe_dataset(dataset)
    pairs = ((arm, seed) for seed in range(seeds) for arm in wanted if arm.trained or seed == 0)
    trials = tuple((arm, make_trial(arm, described, budget, seed)) for arm, seed in pairs)
    data = data_folders(options.data, options.dataset or [dataset.name]).get(dataset.name)
    return Sweep(
        name=name, study_name=study_name, study=study, dataset=dataset, data=data, budget_name=budget_name,
        budget=budget, seeds=tuple(range(seeds)), arms=arms, skipped=skipped, split=split, trials=trials,
    )  # fmt: skip


def _replanned(arms: Sequence[Arm], options: argparse.Namespace) -> list[Arm]:
    """The arms of ``--arm`` with the plan of ``--plan``, as a decoded plan takes the place of gates."""
    own = [arm for arm in arms if options.plan and arm.label in options.arm]
    if fixed := [arm.label for arm in own if not isinstance(arm.method, Fusion)]:
        raise ValueError(f"--plan: {', '.join(fixed)} has no plan to be replaced")
    plan = parse_plan(options.plan) if own else ""
    return [replace(arm, label=f"{arm.label} as {plan}", method=replace(arm.method, plan=plan)) for arm in own]  # type: ignore[call-arg]


def _refined(arms: Sequence[Arm], options: argparse.Namespace) -> list[Arm]:
    """The arms of ``--arm`` refined for each pair in the steps of ``--refine``."""
    return [refined(arm, steps=options.refine) for arm in arms if options.refine and arm.label in options.arm]


def describe_dataset(dataset: Dataset) -> Json:
    """What a trial's key says of its dataset."""
    return {"name": dataset.name, "fingerprint": dataset.fingerprint(), **dataset.settings}


def _wanted(arms: tuple[Arm, ...], labels: list[str]) -> tuple[Arm, ...]:
    unknown = sorted(set(labels) - {arm.label for arm in arms})
    if unknown:
        raise ValueError(f"--arm: no arm {', '.join(unknown)}; known: {'; '.join(arm.label for arm in arms)}")
    return tuple(arm for arm in arms if not labels or arm.label in labels)


def data_folders(entries: list[str], datasets: list[str]) -> dict[str, Path]:
    """Where the datasets' files lie, from ``NAME=DIR`` entries.

    Raises:
        ValueError: an entry that is not of that form, or names a dataset that the sweep does not run on.
    """
    folders = {}
    for entry in entries:
        name, sign, folder = entry.partition("=")
        if not sign or not folder:
            raise ValueError(f"--data NAME=DIR: got {entry!r}")
        folders[name] = expanded(folder).absolute()
    unused = sorted(set(folders) - set(datasets))
    if unused:
        raise ValueError(f"--data names {', '.join(unused)}, but the sweep runs on {', '.join(datasets)}")
    return folders


def _require_pairs(dataset: Dataset, *splits: str) -> None:
    for split in splits:
        if not dataset.pairs(split):
            raise ValueError(f"{dataset.name}: split {split!r} must hold pairs of different persons, it has none")


def study_entry(sweep: Sweep) -> Json:
    """What ``RUNS/studies/NAME.json`` says: question, protocol, arms and the keys of their trials."""
    missing = "; ".join(sweep.dataset.missing("test"))
    return {
        "name": sweep.name,
        "study": sweep.study_name,
        "question": sweep.study.question,
        "protocol": list(sweep.study.protocol),
        "dataset": dataset_entry(sweep.dataset),
        "budget": {"name": sweep.budget_name} | written_settings(sweep.budget),
        "seeds": list(sweep.seeds),
        "reference": sweep.study.reference,
        "reported_split": sweep.split,
        "selection_split": "val",
        "split_note": f"val is reported, the split of selection. {missing}".strip() if sweep.split == "val" else "",
        "skipped": dict(sweep.skipped),
        "arms": [_arm_entry(sweep, arm) for arm in sweep.arms],
    }


def dataset_entry(dataset: Dataset) -> Json:
    """What a study says of its dataset."""
    labels = {str(value): name for value, name in dataset.labels.items()}
    about = {"title": dataset.title, "source": dataset.source, "licence": dataset.licence, "labels": labels}
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    identity = {"name": dataset.name, "fingerprint": dataset.fingerprint(), "synthetic": dataset.synthetic}
    return dataset.settings | identity | about | grid


def _arm_entry(sweep: Sweep, arm: Arm) -> Json:
    keys = {str(trial.seed): trial.key for own, trial in sweep.trials if own is arm}
    entry = {"label": arm.label, "group": arm.group, "method": arm.method.configuration(), "keys": keys}
    published = [asdict(score) for score in arm.method.published]
    return entry | {"budget_changes": dict(arm.budget_changes)} | ({"published": published} if published else {})
