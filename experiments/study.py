"""The contract of a study: a question, and the arms that answer it. One study a file, found by its module's name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from baselines.instance_optimisation import InstanceOptimisation
from fusemorph.catalogue import STUDIES, entries, load_entry
from fusemorph.configuration import Budget, Json, Trial, written_settings
from fusemorph.fusion.method import Fusion
from fusemorph.machine import command_line
from fusemorph.method import Method
from fusemorph.records import FORMAT
from fusemorph.storage import RecordError, read_json, write_json
from nas.space import Space

COUNTS = ("trials", "duplicates", "refused")
"""What the entry of a search says that may change while it goes on."""
OTHER_NAME = "choose another --name; finished trials are used again"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One method of a comparison, with its label and the group of arms that it belongs to.

    ``budget_changes``: what differs from the study's budget, such as the learning rate. ``labelled``: of how many
    subjects training sees the labels; None: as the data set says. ``needs_labels``: of how many subjects it must see
    them, or it is left out: ``some`` where it would train as another arm does without. ``strategy``: its label before
    the number of labelled subjects.
    """

    label: str
    group: str
    method: Method
    budget_changes: Mapping[str, Any] = field(default_factory=dict)
    labelled: int | None = None
    needs_labels: Literal["none", "some", "all"] = "none"
    strategy: str = ""

    @property
    def trained(self) -> bool:
        """Whether the method learns, so that budget and seed count."""
        return self.method.objective is not None


def refined(arm: Arm, **settings: Any) -> Arm:
    """The arm with each of its results refined on the pair itself, by instance optimisation with these settings."""
    method = InstanceOptimisation(of=arm.method, **settings)
    steps = "" if method.steps == InstanceOptimisation().steps else f" in {method.steps} steps"
    return replace(arm, label=f"{arm.label}, refined{steps}", group="refined for each pair", method=method)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is compared, and why. ``arms`` makes the arms for a dataset's shape and a budget.

    ``reference``: label of the arm that the others are compared with. ``dataset_settings`` hold where no data set is
    asked for, below those of ``--set``. ``selects``: the study makes choices, so test is
    never looked at. ``measure_cost``: whether latency and memory of each arm are measured at the end, which takes some
    twenty training steps an arm. ``optimise_instances``: every trained arm is also measured after instance optimisation
    of each pair, to tell what its network knew beyond what a few steps of descent find. ``labels``: every trained arm
    is run with these numbers or shares of labelled subjects, unless ``--labels`` says others. ``space``: the named
    space whose plans are the arms, unless ``--space`` says another; ``arms`` takes its name as ``space``, and trials
    come plan by plan, so that any beginning has every seed.
    """

    question: str
    protocol: tuple[str, ...]
    reference: str
    arms: Callable[..., Sequence[Arm]]
    dataset: str = "virtual_brains"
    dataset_settings: Mapping[str, Any] = field(default_factory=dict)
    budget: str = "quick"
    seeds: int = 1
    selects: bool = False
    measure_cost: bool = True
    optimise_instances: bool = False
    labels: tuple[str, ...] = ()
    space: str = ""

    def arms_for(self, shape: tuple[int, ...], budget: Budget, space: str | None = None) -> Sequence[Arm]:
        """The arms on images of that shape, at that budget, of the named ``space`` where the study lists one.

        Raises:
            ValueError: a space is asked for, and the study lists none.
        """
        if not self.space:
            if space:
                raise ValueError(f"--space: the arms of this study are not the plans of a space, got {space}")
            return self.arms(shape, budget)
        return self.arms(shape, budget, space=space or self.space)


@dataclass(frozen=True, kw_only=True)
class SearchStudy:
    """A search, and the confirmation of what it finds.

    ``space`` makes the search space for a budget and the operators that a stage may take. ``trials``: how many distinct
    configurations are tried by default, each with ``seeds`` seeds. The best ``confirmed`` of them are trained again
    beside the ``comparison_arms``, at ``confirm_budget`` with ``confirm_seeds`` seeds, and only these are reported.
    """

    question: str
    protocol: tuple[str, ...]
    space: Callable[[Budget, str], Space]
    comparison_arms: Callable[[Budget], Sequence[Arm]]
    operators: str = "jsg"
    dataset: str = "hippocampus"
    budget: str = "search"
    trials: int = 40
    seeds: int = 1
    confirmed: int = 2
    confirm_budget: str = "quick"
    confirm_seeds: int = 3


@dataclass(frozen=True, kw_only=True)
class OneShotStudy:
    """A supernet over a space of plans, their scores with shared weights, and how far those can be trusted.

    ``base`` makes the method that plans have in common, for a budget. The supernet is trained in ``supernet_steps`` at
    that budget; plans are scored on ``score_pairs`` val pairs. The ``best`` of them and a ``sample`` of the others are
    trained alone with ``seeds``.
    """

    question: str
    protocol: tuple[str, ...]
    base: Callable[[Budget], Fusion]
    space: str = "tiny"
    dataset: str = "hippocampus"
    budget: str = "table"
    supernet_steps: int = 2000
    score_pairs: int = 4
    best: int = 5
    sample: int = 35
    seeds: int = 3


AnyStudy = Study | SearchStudy | OneShotStudy


def known_studies() -> tuple[str, ...]:
    """Names of the studies that can be found."""
    return tuple(entries(STUDIES))


def find_study(name: str) -> AnyStudy:
    """The study of that name.

    Raises:
        ValueError: no such study (the known ones are listed), or a file that is no entry.
    """
    study: AnyStudy = load_entry(STUDIES, name, get_args(AnyStudy))
    return study


def make_trial(arm: Arm, dataset: Json, budget: Budget, seed: int) -> Trial:
    """The trial of an arm; a method that is not trained has neither budget nor seed."""
    configuration = arm.method.configuration()
    if not arm.trained:
        return Trial(method=configuration, dataset=dataset, budget=None, seed=0)
    return Trial(
        method=configuration, dataset=dataset, budget=written_settings(replace(budget, **arm.budget_changes)), seed=seed
    )


def register_study(runs: Path, entry: Mapping[str, Any]) -> None:
    """Write ``RUNS/studies/NAME.json`` with the command line of this process beside those before.

    A study that is there may gain seeds and arms, as a method of one's own or a search's candidates, and loses none:
    one that is not applicable now stays. Nothing else may change.

    Raises:
        RecordError: the name is taken by another definition, or by the same on other data or numerics.
    """
    path, present = _entry_path(runs, entry), read_entry(runs, entry)
    merged = dict(entry) | {"command": [command_line()]}
    if present is not None:
        old, new = ({str(arm["label"]): arm for arm in version["arms"]} for version in (present, entry))
        if changed := [label for label in new if label in old and not _same_arm(old[label], new[label])]:
            raise RecordError(f"{path} has {', '.join(changed)} with other settings, data or numerics; {OTHER_NAME}")
        merged["arms"] = arms = _merged_arms(old, new, last="search" in entry)
        merged["skipped"] = {k: v for k, v in entry["skipped"].items() if k not in {arm["label"] for arm in arms}}
        if others := _merged_others(path, present, entry):
            merged["evaluated_on"] = others
        merged["seeds"] = sorted({*present["seeds"], *entry["seeds"]})
        merged["command"] = list(dict.fromkeys([*present.get("command", []), command_line()]))
    write_json(path, {"format": FORMAT} | merged)


def read_entry(runs: Path, entry: Mapping[str, Any]) -> Json | None:
    """The entry of that name, as it is; None where there is none.

    Raises:
        RecordError: it is of another definition. Arms and seeds are not looked at, nor what a search counts.
    """
    path = _entry_path(runs, entry)
    if not path.exists():
        return None
    present = read_json(path)
    fixed = ("study", "dataset", "budget", "reference", "reported_split")
    searches = [{k: v for k, v in version.get("search", {}).items() if k not in COUNTS} for version in (present, entry)]
    same = present.get("format") == FORMAT and all(present.get(name) == entry[name] for name in fixed)
    same = same and present.get("space") == entry.get("space")
    if not same or searches[0] != searches[1]:
        raise _taken(path, entry)
    return present


def _entry_path(runs: Path, entry: Mapping[str, Any]) -> Path:
    return runs / "studies" / f"{entry['name']}.json"


def _taken(path: Path, entry: Mapping[str, Any]) -> RecordError:
    return RecordError(f"{path} defines another study of the name {entry['name']!r}; {OTHER_NAME}")


def _merged_others(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Json]:
    """The data sets of both entries that trials are evaluated on beside their own, each once.

    Raises:
        RecordError: one of them has other files or settings than before.
    """
    others = {other["folder"]: other for entry in (new, old) for other in entry.get("evaluated_on", [])}
    for other in new.get("evaluated_on", []):
        if others[other["folder"]] != other:
            raise RecordError(f"{path} is evaluated on {other['folder']} with other files or settings; {OTHER_NAME}")
    return list(others.values())


def _merged_arms(old: Mapping[str, Json], new: Mapping[str, Json], *, last: bool) -> list[Json]:
    """The arms of both by label, seeds joined; in the order of the new ones, or those ``last``, as a search's come."""
    joined = {k: arm | {"keys": old.get(k, {}).get("keys", {}) | arm["keys"]} for k, arm in new.items()}
    order = [*old, *new] if last else [*new, *old]
    return [{**old, **joined}[label] for label in dict.fromkeys(order)]


def _same_arm(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two arms differ in nothing but their seeds; shared seeds must have the same keys."""
    names = ("label", "group", "method", "budget_changes", "labelled")
    same = all(old.get(name) == new.get(name) for name in names)
    return same and all(new["keys"].get(seed, key) == key for seed, key in old["keys"].items())
