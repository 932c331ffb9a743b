"""A sweep: a study made concrete. Names resolved, data opened and checked, every trial listed, before any starts."""

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.study import Arm, Study, find_study, make_trial
from fusemorph.configuration import Budget, Json, Trial, find_budget
from fusemorph.data import open_dataset, parse_setting
from fusemorph.data.dataset import Dataset
from fusemorph.trial import Job


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study's arms on one opened dataset, and the trial of each arm and seed; untrained arms have one trial.

    ``split``: where figures are reported: test, or val where test is absent or the study itself selects. ``skipped``:
    arms that cannot serve here, with the reason.
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

    def jobs(self, *, cache: Path | None, threads: int, device: str) -> list[Job]:
        """The distinct trials, with where and how they run here."""
        common: dict[str, Any] = {"data": self.data, "cache": cache, "threads": threads, "device": device}
        distinct = {trial.key: trial for _, trial in self.trials}
        return [Job(trial=trial, splits=(self.split,), **common) for trial in distinct.values()]

    def label(self, key: str) -> str:
        """What a trial is called: its arm and seed."""
        return next(f"{arm.label} seed {trial.seed}" for arm, trial in self.trials if trial.key == key)


def make_sweep(options: argparse.Namespace) -> Sweep:
    """Resolve every name, open and check the data, and list the trials: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting or file, or a split without pairs; the message says which.
    """
    study = find_study(options.study)
    budget_name = options.budget or study.budget
    budget = find_budget(budget_name)
    dataset_name = options.dataset or study.dataset
    name = options.name or f"{options.study}-{dataset_name}-{budget_name}"
    if not re.fullmatch(r"[\w.+=-]+", name):
        raise ValueError(f"--name must hold letters, digits and . + = - alone, got {name!r}")
    data = _folder(options.data, dataset_name)
    settings = dict(parse_setting(entry) for entry in options.set)
    dataset = open_dataset(dataset_name, data, cache=options.cache, **settings)
    split = "val" if study.selects or dataset.missing("test") else "test"
    _require_pairs(dataset, "val", split)
    dataset.prepare(progress=sys.stdout.isatty())
    described: Json = {"name": dataset.name, "fingerprint": dataset.fingerprint(), **dataset.settings}
    seeds = tuple(range(options.seeds or study.seeds))
    all_arms = study.arms(dataset.shape, budget)
    skipped = {arm.label: reason for arm in all_arms if (reason := arm.method.skip(dataset))}
    arms = tuple(arm for arm in all_arms if arm.label not in skipped)
    pairs = ((arm, seed) for seed in seeds for arm in arms if arm.trained or seed == 0)
    trials = tuple((arm, make_trial(arm, described, budget, seed)) for arm, seed in pairs)
    return Sweep(
        name=name, study_name=options.study, study=study, dataset=dataset, data=data, budget_name=budget_name,
        budget=budget, seeds=seeds, arms=arms, skipped=skipped, split=split, trials=trials,
    )  # fmt: skip


def _folder(entries: list[str], dataset: str) -> Path | None:
    """Where the dataset's files lie, from ``NAME=DIR`` entries."""
    folders = {}
    for entry in entries:
        name, sign, folder = entry.partition("=")
        if not sign or not folder:
            raise ValueError(f"--data NAME=DIR: got {entry!r}")
        folders[name] = Path(folder).absolute()
    unused = sorted(set(folders) - {dataset})
    if unused:
        raise ValueError(f"--data names {', '.join(unused)}, but the sweep runs on {dataset}")
    return folders.get(dataset)


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
        "dataset": _dataset_entry(sweep.dataset),
        "budget": {"name": sweep.budget_name} | asdict(sweep.budget),
        "seeds": list(sweep.seeds),
        "reference": sweep.study.reference,
        "reported_split": sweep.split,
        "selection_split": "val",
        "split_note": f"val is reported, the split of selection. {missing}".strip() if sweep.split == "val" else "",
        "skipped": dict(sweep.skipped),
        "arms": [_arm_entry(sweep, arm) for arm in sweep.arms],
    }


def _dataset_entry(dataset: Dataset) -> Json:
    labels = {str(value): name for value, name in dataset.labels.items()}
    about = {"title": dataset.title, "source": dataset.source, "licence": dataset.licence, "labels": labels}
    grid = {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    identity = {"name": dataset.name, "fingerprint": dataset.fingerprint(), "synthetic": dataset.synthetic}
    return dataset.settings | identity | about | grid


def _arm_entry(sweep: Sweep, arm: Arm) -> Json:
    keys = {str(trial.seed): trial.key for own, trial in sweep.trials if own is arm}
    entry = {"label": arm.label, "group": arm.group, "method": arm.method.configuration(), "keys": keys}
    return entry | {"budget_changes": dict(arm.budget_changes)}
