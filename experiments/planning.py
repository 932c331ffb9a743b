"""A study made concrete: names resolved, data opened and checked, every trial listed, before anything starts."""

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.study import Arm, Study, find_study, make_trial
from fusemorph.configuration import Budget, Json, Trial, find_budget
from fusemorph.data import open_dataset
from fusemorph.data.dataset import Dataset
from fusemorph.trial import Job


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study made concrete: its arms on one opened dataset, and every trial they need, labelled."""

    name: str
    study_name: str
    study: Study
    dataset: Dataset
    budget: Budget
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    skipped: dict[str, str]
    split: str
    trials: dict[str, tuple[Arm, Trial]]


def make_plan(options: argparse.Namespace) -> Plan:
    """Resolve every name, open and check the data, and list the trials: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting, file or record; the message says which.
    """
    study = find_study(options.study)
    budget = find_budget(options.budget or study.budget)
    dataset = open_named_dataset(options.dataset or study.dataset, options)
    dataset.prepare(progress=sys.stdout.isatty())
    described: Json = {"name": dataset.name, "fingerprint": dataset.fingerprint(), **dataset.settings}
    seeds = tuple(range(options.seeds or study.seeds))
    all_arms = study.arms(dataset.shape, budget)
    skipped = {arm.label: reason for arm in all_arms if (reason := arm.method.skip(dataset))}
    arms = tuple(arm for arm in all_arms if arm.label not in skipped)
    trials = [(arm, make_trial(arm, described, budget, seed)) for seed in seeds for arm in arms]
    return Plan(
        name=options.name or f"{options.study}-{dataset.name}-{budget.name}",
        study_name=options.study, study=study, dataset=dataset, budget=budget, seeds=seeds, arms=arms, skipped=skipped,
        split="val" if dataset.missing("test") else "test",
        trials={trial.key: (arm, trial) for arm, trial in trials},
    )  # fmt: skip


def open_named_dataset(name: str, options: argparse.Namespace) -> Dataset:
    """The dataset with the folder and settings given on the command line."""
    folders = dict(_split(entry, "--data NAME=DIR") for entry in options.data)
    unused = sorted(set(folders) - {name})
    if unused:
        raise ValueError(f"--data names {', '.join(unused)}, but the sweep runs on {name}")
    settings = {key: _value(text) for key, text in (_split(entry, "--set KEY=VALUE") for entry in options.set)}
    folder = Path(folders[name]).absolute() if name in folders else None
    return open_dataset(name, folder, cache=options.cache, **settings)


def _split(entry: str, usage: str) -> tuple[str, str]:
    name, sign, value = entry.partition("=")
    if not sign or not value:
        raise ValueError(f"{usage}: got {entry!r}")
    return name, value


def _value(text: str) -> object:
    """Numbers as numbers, comma-separated ones as tuples, anything else as text."""
    if "," in text:
        return tuple(_value(part) for part in text.split(","))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def make_jobs(plan: Plan, options: argparse.Namespace) -> list[Job]:
    """The trials with where and how they run here."""
    folders = dict(_split(entry, "--data NAME=DIR") for entry in options.data)
    data = Path(folders[plan.dataset.name]).absolute() if plan.dataset.name in folders else None
    common = {"data": data, "cache": options.cache, "threads": options.threads, "device": options.device}
    return [Job(trial=trial, splits=(plan.split,), **common) for _, trial in plan.trials.values()]


def study_entry(plan: Plan) -> Json:
    """What ``RUNS/studies/NAME.json`` says: question, protocol, arms and the keys of their trials."""
    dataset = plan.dataset
    missing = "; ".join(dataset.missing("test"))
    facts = {
        "title": dataset.title,
        "synthetic": dataset.synthetic,
        "source": dataset.source,
        "licence": dataset.licence,
    }
    facts |= {"labels": {str(value): name for value, name in dataset.labels.items()}}
    facts |= {"shape": list(dataset.shape), "spacing_mm": list(dataset.spacing_mm)}
    arms = [
        {"label": arm.label, "group": arm.group, "method": arm.method.configuration(), "keys": _keys(plan, arm)}
        for arm in plan.arms
    ]
    return {
        "name": plan.name,
        "study": plan.study_name,
        "question": plan.study.question,
        "protocol": list(plan.study.protocol),
        "dataset": dataset.settings | {"name": dataset.name} | facts,
        "budget": asdict(plan.budget),
        "seeds": list(plan.seeds),
        "reference": plan.study.reference,
        "reported_split": plan.split,
        "selection_split": "val",
        "split_note": f"val is reported, the split of selection: {missing}" if plan.split == "val" else "",
        "skipped": plan.skipped,
        "arms": arms,
    }


def _keys(plan: Plan, arm: Arm) -> dict[str, str]:
    return {str(trial.seed): key for key, (own, trial) in plan.trials.items() if own is arm}
