"""A search made concrete: names resolved, data opened and checked, constraints that can be kept, before any starts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from experiments.runner.datasets import Other, open_datasets, open_others
from experiments.runner.drivers import LEARNING, choose_searcher, require_shares
from experiments.runner.option_types import StudyName
from experiments.runner.options import SweepOptions
from experiments.study import SearchStudy
from fusemorph.complexity import count_flops, count_parameters
from fusemorph.configuration import Budget, Json
from fusemorph.data.dataset import Dataset
from fusemorph.method import Method, load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.trials.validation import unregistered_dice
from nas.objectives import Objective, find_objectives, needs_training
from nas.searcher import RandomSearcher
from nas.space import Space

PROBES = 200


@dataclass(frozen=True, kw_only=True)
class SearchSetup:
    """A search study on its opened datasets, with all that its options settled.

    ``others``: data sets that what it finds is evaluated on, too. ``limits`` holds the largest parameters, flops and
    folding allowed.
    """

    name: str
    study: SearchStudy
    options: SweepOptions
    datasets: tuple[Dataset, ...]
    budget_name: str
    budget: Budget
    space: Space
    objectives: tuple[Objective, ...]
    searcher: str
    trials: int
    seeds: int
    early_stopping: bool
    limits: Mapping[str, float]
    others: tuple[Other, ...] = ()

    @property
    def controls(self) -> tuple[bool, ...]:
        """Whether each of its searches is the random control: the search itself, and a control unless it is random."""
        alone = self.options.search.no_control or self.searcher == "random"
        return (False,) if alone else (False, True)

    @cached_property
    def identity_dice(self) -> Mapping[str, float]:
        """Val Dice without registration by dataset, from which Dice as an objective counts; images are read for it.

        It is 0 without labels.

        Raises:
            ValueError: Dice is an objective, and there are no labels on val.
        """
        count = self.budget.validation_pairs
        by_dataset = {dataset.name: unregistered_dice(dataset, count=count) for dataset in self.datasets}
        _require_labels([name for name, dice in by_dataset.items() if dice != dice], self.objectives)
        return {name: 0.0 if dice != dice else dice for name, dice in by_dataset.items()}


def prepare_search(study: SearchStudy, options: SweepOptions) -> SearchSetup:
    """Resolve every name, open and check the data: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting or file, constraints that leave nothing, or choices that do not go together.
    """
    search = options.search
    objectives = find_objectives(search.objectives or ["dice"])
    budget_name = options.study.budget or study.budget
    budget = options.study.find_budget(budget_name)
    require_shares(options.execution, budget, budget_name)
    space = study.space(budget, search.operators or study.operators)
    space.check()
    datasets = open_datasets(options.data, study.dataset)
    _require_labels([dataset.selection.name for dataset in datasets if not dataset.selection.labels], objectives)
    given = {"parameters": search.max_parameters, "flops": search.max_flops, "folding": search.max_folding}
    setup = SearchSetup(
        name=_name(options, datasets, budget_name), study=study, options=options, datasets=datasets,
        budget_name=budget_name, budget=budget, space=space, objectives=objectives,
        searcher=choose_searcher(search, options.execution, objectives), trials=search.trials or study.trials,
        seeds=options.study.seeds or study.seeds, early_stopping=stops_early(options, objectives),
        limits={name: value for name, value in given.items() if value is not None},
        others=open_others(options.data, datasets),
    )  # fmt: skip
    _require_feasible(setup)
    _require_proxies_fit(setup)
    return setup


def _require_proxies_fit(setup: SearchSetup) -> None:
    """Refuse proxies where they cannot be measured, or what they leave without a meaning.

    Raises:
        ValueError: naming the option.
    """
    search = setup.options.search
    proxies = [f"--objective {objective.name}" for objective in setup.objectives if objective.proxy]
    if search.warm_start:
        proxies.append(f"--warm-start {search.warm_start}")
        if setup.searcher not in LEARNING:
            raise ValueError(f"--warm-start: {setup.searcher} learns nothing; choose --searcher {', '.join(LEARNING)}")
    if proxies and (search.semi or setup.space.base.get("name") != "fusion"):
        raise ValueError(f"{proxies[0]}: proxies are of fusion networks that segment nothing")
    if "folding" in setup.limits and not needs_training(setup.objectives):
        raise ValueError(f"--max-folding: nothing is trained for {proxies[0]}, so that no folding is known")


def _name(options: SweepOptions, datasets: Sequence[Dataset], budget_name: str) -> str:
    names = "+".join(dataset.name for dataset in datasets)
    try:
        studied = f"{options.study_name}-semi" if options.search.semi else options.study_name
        return StudyName().read(options.study.name or options.study.study_name(studied, names, budget_name))
    except ValueError as error:
        raise ValueError(f"--name: {error}") from error


def stops_early(options: SweepOptions, objectives: Sequence[Objective]) -> bool:
    """Whether weak trials are stopped: by default with the one objective Dice, on one dataset and with one seed, since
    a candidate ends with its first trial that does, and one of several says little of their mean.

    Raises:
        ValueError: it is asked for where nothing can be judged.
    """
    asked, possible = options.search.early_stopping, [objective.name for objective in objectives] == ["dice"]
    if asked == "halving" and not possible:
        raise ValueError("--early-stopping halving judges trials by val Dice, so dice must be the only objective")
    alone = len(options.data.datasets) <= 1 and (options.study.seeds or 1) == 1
    return possible and (asked == "halving" or (asked is None and alone))


def _require_feasible(setup: SearchSetup) -> None:
    """Refuse constraints that no point, or none of many drawn, can keep.

    Raises:
        ValueError: the space is empty under the constraints.
    """
    sizes = {name for name in setup.limits if name != "folding"}
    if not sizes:
        return
    searcher, refuses = RandomSearcher(setup.space, 0), refusal(setup)
    for _ in range(PROBES):
        values = searcher.ask()
        if values is None:
            break
        if refuses(setup.space.configure(values)[0]) is None:
            return
    named = ", ".join(f"--max-{name} {setup.limits[name]:g}" for name in sorted(sizes))
    raise ValueError(f"{named}: no configuration of the space satisfies it")


def refusal(setup: SearchSetup) -> Callable[[Json], str | None]:
    """The check of a method's size against the limits; the largest of the datasets counts for FLOPs."""
    shapes = [padded_shape(dataset.shape) for dataset in setup.datasets]
    measures: dict[str, Callable[[Method], int]] = {
        "parameters": lambda method: count_parameters(method, len(shapes[0])),
        "flops": lambda method: max(count_flops(method, shape) for shape in shapes),
    }
    limits = {name: most for name, most in setup.limits.items() if name in measures}

    def refuses(configuration: Json) -> str | None:
        method = load_method(configuration)
        measured = {name: measures[name](method) for name in limits}
        return (
            "; ".join(f"{name} {measured[name]:g} > {most:g}" for name, most in limits.items() if measured[name] > most)
            or None
        )

    return refuses


def _require_labels(unlabelled: Sequence[str], objectives: Sequence[Objective]) -> None:
    if unlabelled and any(objective.name == "dice" for objective in objectives):
        names = ", ".join(unlabelled)
        raise ValueError(f"--objective dice needs labels on val, {names} has none; --objective regularity needs none")
