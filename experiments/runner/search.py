"""A search made concrete: planned and checked, run beside its random control, and confirmed."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from experiments.runner.drivers import choose_searcher, drive, make_searcher
from experiments.runner.progress import columns, watch
from experiments.runner.storage import require_space
from experiments.runner.sweep_plan import data_folders, dataset_entry, describe_dataset, open_datasets
from experiments.study import SearchStudy, read_entry, register_study
from fusemorph.complexity import count_cost, count_flops, count_parameters
from fusemorph.configuration import Budget, Json, Trial, find_budget, written_settings
from fusemorph.data.dataset import Dataset
from fusemorph.fusion.plan import parse_plan
from fusemorph.method import Method, load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.trials.run import Job
from fusemorph.trials.validation import unregistered_dice
from nas.objectives import Objective, find_objectives, front, hypervolume
from nas.search import Candidate, Search, SearchPlan
from nas.searcher import RandomSearcher, Searcher
from nas.space import Space, Values
from nas.successive_halving import SuccessiveHalving, rungs_of

PROBES = 200
SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class SearchSetup:
    """A search study on its opened datasets, with all that its command line settled.

    ``limits`` holds the largest parameters, flops and folding allowed.
    """

    name: str
    study_name: str
    study: SearchStudy
    datasets: tuple[Dataset, ...]
    budget_name: str
    budget: Budget
    space: Space
    objectives: tuple[Objective, ...]
    searcher: str
    trials: int
    seeds: int
    halving: bool
    limits: Mapping[str, float]
    identity_dice: Mapping[str, float]


def prepare_search(study: SearchStudy, options: argparse.Namespace) -> SearchSetup:
    """Resolve every name, open and check the data: all that can be wrong is found here.

    Raises:
        ValueError: a wrong name, setting or file, constraints that leave nothing, or choices that do not go together.
    """
    objectives = find_objectives(options.objective or ["dice"])
    halving = stops_early(options, objectives)
    budget_name = options.budget or study.budget
    budget = find_budget(budget_name)
    space = study.space(budget, options.operators or study.operators)
    space.check()
    datasets = tuple(open_datasets(options, study.dataset))
    names = [dataset.name for dataset in datasets]
    given = {name: getattr(options, f"max_{name}") for name in ("parameters", "flops", "folding")}
    return SearchSetup(
        name=options.name or f"{options.study}-{'+'.join(names)}-{budget_name}", study_name=options.study, study=study,
        datasets=datasets, budget_name=budget_name, budget=budget, space=space, objectives=objectives,
        searcher=choose_searcher(options, objectives), trials=options.trials or study.trials,
        seeds=options.seeds or study.seeds, halving=halving,
        limits={name: value for name, value in given.items() if value is not None},
        identity_dice={d.name: unregistered_dice(d, count=budget.validation_pairs) for d in datasets},
    )  # fmt: skip


def stops_early(options: argparse.Namespace, objectives: Sequence[Objective]) -> bool:
    """Whether weak trials are stopped: by default with the one objective Dice, on one dataset and with one seed, since
    a candidate ends with its first trial that does, and one of several says little of their mean.

    Raises:
        ValueError: it is asked for where nothing can be judged.
    """
    possible = [objective.name for objective in objectives] == ["dice"]
    if options.early_stopping == "halving" and not possible:
        raise ValueError("--early-stopping halving: it judges val Dice alone, so the one objective must be dice")
    alone = len(options.dataset or []) <= 1 and (options.seeds or 1) == 1
    return possible and (options.early_stopping == "halving" or (options.early_stopping is None and alone))


def require_feasible(setup: SearchSetup) -> None:
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
    raise ValueError(f"{named}: no configuration of the space keeps to it")


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
        found = {name: measures[name](method) for name in limits}
        return (
            "; ".join(f"{name} {found[name]:g} > {most:g}" for name, most in limits.items() if found[name] > most)
            or None
        )

    return refuses


def entry_name(setup: SearchSetup, dataset: Dataset, *, control: bool) -> str:
    """What the search is called in RUNS on one of its datasets."""
    suffix = "-random" if control else ""
    return f"{setup.name}{suffix}" + (f"-{dataset.name}" if len(setup.datasets) > 1 else "")


def make_search(setup: SearchSetup, options: argparse.Namespace, *, control: bool) -> Search:
    """The search, or its random control, as far as the records say that it has come.

    Raises:
        RecordError: the name belongs to another study.
    """
    searcher_name = "random" if control else setup.searcher
    known = _known_points(setup, options, searcher_name, control)
    searcher: Searcher
    if control:
        searcher = RandomSearcher(setup.space, options.search_seed + 1)
    else:
        journal = options.runs / "studies" / f"{setup.name}.journal"
        searcher = make_searcher(
            setup.searcher,
            setup.space,
            setup.objectives,
            driver=options.driver,
            seed=options.search_seed,
            journal=journal,
        )
    save_candidates = partial(_save_candidates, setup, options, searcher_name, control)
    plan = SearchPlan(
        name=f"{setup.name}, {'random control' if control else f'search by {setup.searcher}'}",
        space=setup.space,
        trials=setup.trials,
        objectives=setup.objectives,
        identity_dice=setup.identity_dice,
        runs=options.runs,
        seed=options.search_seed,
        make=candidate_maker(setup, options, control=control),
        refuses=refusal(setup),
        limits={name: most for name, most in setup.limits.items() if name == "folding"},
        save_candidates=save_candidates,
    )
    search = Search(plan=plan, searcher=searcher)
    search.resume(known)
    return search


def candidate_maker(setup: SearchSetup, options: argparse.Namespace, *, control: bool) -> Callable[[Values], Candidate]:
    """What makes a point a candidate with its trials over datasets and seeds."""
    folders = data_folders(options.data, [dataset.name for dataset in setup.datasets])
    described = {dataset.name: describe_dataset(dataset) for dataset in setup.datasets}

    def job(dataset: Dataset, seed: int, method: Json, budget: Budget, label: str) -> Job:
        trial = Trial(method=method, dataset=described[dataset.name], budget=written_settings(budget), seed=seed)
        name = entry_name(setup, dataset, control=control)
        stop = SuccessiveHalving(study=name, seed=seed, rungs=rungs_of(budget)) if setup.halving else None
        return Job(
            trial=trial, data=folders.get(dataset.name), cache=options.cache, splits=(), threads=options.threads,
            device=options.device, stop=stop, label=label, work=float(budget.steps),
        )  # fmt: skip

    def make(values: Values) -> Candidate:
        method, changes = setup.space.configure(values)
        budget, label = replace(setup.budget, **changes), point_label(setup.space, values)
        jobs = tuple(job(d, seed, method, budget, label) for d, seed in product(setup.datasets, range(setup.seeds)))
        return Candidate(label=label, values=values, method=method, budget_changes=changes, jobs=jobs)

    return make


def point_label(space: Space, values: Values) -> str:
    """What a point is called: its plan where the space varies it, and the other values by their names' order, which is
    the same for a point that was drawn and for one that was read."""
    plan = [parse_plan("".join(str(values.get(f"plan.{s}", "-")) for s in range(1, 8)))] if space.operators else []
    rest = [
        f"{name.split('.')[-1]} {value:.3g}" if isinstance(value, float) else f"{name.split('.')[-1]} {value}"
        for name, value in sorted(values.items())
        if not name.startswith("plan.")
    ]
    return " ".join([*plan, ", ".join(rest)]).strip()


def _known_points(
    setup: SearchSetup, options: argparse.Namespace, searcher: str, control: bool
) -> list[tuple[Values, int | None]]:
    """The points that an earlier call saved, in their order, with the step at which it stopped them, if it did.

    Raises:
        RecordError: an entry of the name, on any of the datasets, is of another definition.
    """
    entries = [search_entry(setup, d, (), searcher=searcher, control=control, options=options) for d in setup.datasets]
    present = [read_entry(options.runs, entry) for entry in entries]
    arms = present[0]["arms"] if present[0] else []
    ended = [arm.get("ended", {}) for arm in arms]
    return [
        (arm["values"], own["step"] if own.get("state") == "pruned" else None)
        for arm, own in zip(arms, ended, strict=True)
    ]


def _save_candidates(
    setup: SearchSetup, options: argparse.Namespace, searcher: str, control: bool, search: Search
) -> None:
    """Write the search's entries, one a dataset: its candidates, and how it judged those that have ended."""
    candidates = tuple(search.candidates.values())
    for dataset in setup.datasets:
        entry = search_entry(setup, dataset, candidates, searcher=searcher, control=control, options=options)
        entry["search"] |= {"duplicates": search.duplicates, "refused": len(search.refused)}
        for arm, candidate in zip(entry["arms"], candidates, strict=True):
            if (outcome := search.outcomes.get(candidate.identity)) is not None:
                arm["ended"] = {"state": outcome.state, "step": max(outcome.intermediate, default=0)}
        register_study(options.runs, entry)


def search_entry(
    setup: SearchSetup, dataset: Dataset, candidates: Sequence[Candidate], *, searcher: str, control: bool,
    options: argparse.Namespace,
) -> Json:  # fmt: skip
    """What ``RUNS/studies/NAME.json`` says of a search on one dataset."""
    search: dict[str, Any] = {
        "space": setup.space.as_json(), "searcher": searcher, "seed": options.search_seed, "trials": setup.trials,
        "objectives": [objective.name for objective in setup.objectives], "limits": dict(setup.limits),
        "floors": dict(setup.identity_dice),
        "early_stopping": setup.halving, "datasets": [dataset.name for dataset in setup.datasets],
        "control_of": setup.name if control else None,
    }  # fmt: skip
    return {
        "name": entry_name(setup, dataset, control=control), "study": setup.study_name,
        "question": setup.study.question, "protocol": list(setup.study.protocol), "dataset": dataset_entry(dataset),
        "budget": {"name": setup.budget_name} | written_settings(setup.budget), "seeds": list(range(setup.seeds)),
        "reference": "", "reported_split": "val", "selection_split": "val", "skipped": {}, "search": search,
        "split_note": "a search selects on val; only its confirmation is evaluated on test",
        "arms": [_arm_entry(candidate, dataset) for candidate in candidates],
    }  # fmt: skip


def _arm_entry(candidate: Candidate, dataset: Dataset) -> Json:
    own = [job.trial for job in candidate.jobs if job.trial.dataset["name"] == dataset.name]
    return {
        "label": candidate.label, "group": "searched", "method": candidate.method, "values": candidate.values,
        "budget_changes": candidate.budget_changes, "keys": {str(trial.seed): trial.key for trial in own},
    }  # fmt: skip


def run_search(setup: SearchSetup, search: Search, options: argparse.Namespace) -> None:
    """Run a search, or its random control, to its end; then show its best."""
    known = f", {len(search.candidates)} of them known" if search.candidates else ""
    print(f"{search.plan.name}: {setup.trials} configurations{known}, in {options.runs}", flush=True)
    watch(drive(search, options))
    search.plan.save_candidates(search)  # how the last ones have ended
    print(summary(search))


def summary(search: Search) -> str:
    """The best candidates of a search, or its front where there are several objectives, and how the others ended."""
    objectives, ranked = search.plan.objectives, search.ranked()
    values, volume = [search.outcomes[candidate.identity].values for candidate in ranked], ""
    if len(objectives) > 1 and values:
        volume = _dominated(objectives, values)
        kept = front(values, [objective.direction for objective in objectives])
        ranked, values = [ranked[i] for i in kept], [values[i] for i in kept]
    rows = [["configuration", *(objective.title for objective in objectives)]]
    rows += [[c.label, *(f"{v:.4g}" for v in own)] for c, own in zip(ranked[:SHOWN], values[:SHOWN], strict=True)]
    states = [outcome.state for outcome in search.outcomes.values()]
    told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    more = f", {search.duplicates} proposals known before" if search.duplicates else ""
    end = "; the space is exhausted" if search.exhausted else ""
    return f"{columns(rows)}\n{volume}{told}{more}{end}"


def _dominated(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> str:
    """The hypervolume of the front, as a share of the box between the worst and the best value of each objective."""
    directions = [objective.direction for objective in objectives]
    bounds = [(min(own), max(own)) for own in zip(*values, strict=True)]
    worst = [
        low if objective.direction == "maximize" else high
        for objective, (low, high) in zip(objectives, bounds, strict=True)
    ]
    box = math.prod(high - low for low, high in bounds)
    share = hypervolume(values, directions, reference=worst) / box if box else 0.0
    return f"hypervolume: {share:.3f} of the box between the worst and the best values found\n"


def require_storage(setup: SearchSetup, options: argparse.Namespace) -> None:
    """Refuse to start where the weights of all trials, and the checkpoints of the stopped ones, may not find room.

    Raises:
        StorageError: there is no space, or the folder cannot be written.
    """
    shape = padded_shape(setup.datasets[0].shape)
    largest = max(count_cost(arm.method, shape)[0] for arm in setup.study.comparison_arms(setup.budget))
    searches = 1 if options.no_control or setup.searcher == "random" else 2
    trials = setup.trials * searches * setup.seeds * len(setup.datasets)
    require_space(options.runs, mib=20 + 3 * 4 * largest * trials / 2**20)
