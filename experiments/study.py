"""The contract of a study: a question, and the arms that answer it. One study a file, found by its module's name."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from fusemorph.configuration import Budget, Json, Trial, revise
from fusemorph.method import Method
from fusemorph.records import FORMAT, RecordError, read_json, write_json

MACHINERY = frozenset({"export", "monitor", "planning", "study", "sweep"})


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One method of a comparison, with its label and the group of arms that it belongs to.

    ``budget_changes``: what differs from the study's budget, such as the learning rate.
    """

    label: str
    group: str
    method: Method
    budget_changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether the method learns, so that budget and seed count."""
        return self.method.objective is not None


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is compared, and why. ``arms`` makes the arms for a dataset's shape and a budget.

    ``reference``: label of the arm that the others are compared with. ``measure_cost``: whether latency and memory of
    each arm are measured at the end, which takes some twenty training steps an arm.
    """

    question: str
    protocol: tuple[str, ...]
    reference: str
    arms: Callable[[tuple[int, ...], Budget], Sequence[Arm]]
    dataset: str = "virtual_brains"
    budget: str = "quick"
    seeds: int = 1
    measure_cost: bool = True


def known_studies() -> tuple[str, ...]:
    """Names of the studies."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if name not in MACHINERY))


def find_study(name: str) -> Study:
    """The study of that name.

    Raises:
        ValueError: no such study; the message lists the known ones.
    """
    if name not in known_studies():
        raise ValueError(f"find_study(): unknown study {name!r}; known: {', '.join(known_studies())}")
    study: Study = import_module(f"experiments.{name}").STUDY
    return study


def make_trial(arm: Arm, dataset: Json, budget: Budget, seed: int) -> Trial:
    """The trial of an arm; a method that is not trained has neither budget nor seed."""
    configuration = arm.method.configuration()
    if not arm.trained:
        return Trial(method=configuration, dataset=dataset, budget=None, seed=0)
    return Trial(method=configuration, dataset=dataset, budget=asdict(revise(budget, **arm.budget_changes)), seed=seed)


def register_study(runs: Path, entry: Mapping[str, Any]) -> None:
    """Write ``RUNS/studies/NAME.json``; a study that is there may gain seeds, and nothing else.

    Raises:
        RecordError: the name is taken by another definition.
    """
    path = runs / "studies" / f"{entry['name']}.json"
    merged = dict(entry)
    if path.exists():
        present = read_json(path)
        if _definition(present) != _definition(entry):
            raise RecordError(f"{path} defines another study of the name {entry['name']!r}; choose a --name of its own")
        arms = zip(present["arms"], entry["arms"], strict=True)
        merged["arms"] = [new | {"keys": old["keys"] | new["keys"]} for old, new in arms]
        merged["seeds"] = sorted({*present["seeds"], *entry["seeds"]})
    write_json(path, {"format": FORMAT} | merged)


def _definition(entry: Mapping[str, Any]) -> Any:
    arms = [(arm["label"], arm["group"], arm["method"]) for arm in entry["arms"]]
    return [entry["study"], entry["dataset"], entry["budget"], entry["reference"], arms]
