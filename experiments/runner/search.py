"""A search as it runs: rebuilt from its records, driven to its end beside its random control."""

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from itertools import product

from experiments.runner.drivers import drive, make_searcher
from experiments.runner.estimation import estimator, warm_points
from experiments.runner.options import SearchOptions
from experiments.runner.progress import watch
from experiments.runner.search_entry import entry_name, proposer_folder, save_candidates, saved_points
from experiments.runner.search_setup import SearchSetup, refusal
from experiments.runner.search_summary import summarise
from experiments.runner.storage import require_space
from fusemorph.complexity import count_cost
from fusemorph.configuration import Budget, Json, Trial, written_settings
from fusemorph.data.dataset import Dataset
from fusemorph.method import load_method
from fusemorph.networks.padding import padded_shape
from fusemorph.trials.claims import take_claim
from fusemorph.trials.job import Job
from nas.jobs import Status
from nas.objectives import needs_training
from nas.search import Search
from nas.search_plan import Candidate, SearchPlan
from nas.searcher import RandomSearcher, Searcher
from nas.space import Values
from nas.successive_halving import SuccessiveHalving, rungs_of

POLL_S = 0.2
"""Between two looks at whether another process of the search has proposed."""


def make_search(setup: SearchSetup, *, control: bool) -> Search:
    """The search, or its random control, as far as the records say that it has come.

    Raises:
        RecordError: the name belongs to another study.
    """
    options = setup.options.search
    searcher_name = "random" if control else setup.searcher
    points = saved_points(setup, searcher=searcher_name, control=control)
    plan = SearchPlan(
        name=f"{setup.name}, {'random control' if control else f'search by {setup.searcher}'}",
        space=setup.space,
        trials=setup.trials,
        objectives=setup.objectives,
        identity_dice=setup.identity_dice,
        runs=setup.options.runs,
        seed=options.search_seed,
        make=candidate_maker(setup, control=control),
        refuses=refusal(setup),
        limits={name: most for name, most in setup.limits.items() if name == "folding"},
        save_candidates=partial(save_candidates, setup, searcher_name, control),
        estimate=estimator(setup),
        turn=partial(take_claim, proposer_folder(setup, control=control)),
        saved_points=partial(saved_points, setup, searcher=searcher_name, control=control),
    )
    search = Search(plan=plan, searcher=_make_searcher(setup, options, control=control))
    search.resume(points)
    return search


def _make_searcher(setup: SearchSetup, options: SearchOptions, *, control: bool) -> Searcher:
    if control:
        return RandomSearcher(setup.space, options.search_seed + 1)
    return make_searcher(
        setup.searcher, setup.space, setup.objectives, driver=setup.options.execution.driver, seed=options.search_seed,
        journal=setup.options.runs / "studies" / f"{setup.name}.journal", first=warm_points(setup),
    )  # fmt: skip


def candidate_maker(setup: SearchSetup, *, control: bool) -> Callable[[Values], Candidate]:
    """What makes a point a candidate with its trials over datasets and seeds."""
    data, execution = setup.options.data, setup.options.execution
    described = {dataset.name: dataset.configuration() for dataset in setup.datasets}

    def job(dataset: Dataset, seed: int, method: Json, budget: Budget, label: str) -> Job:
        method = load_method(method).for_dataset(dataset).configuration()
        trial = Trial(method=method, dataset=described[dataset.name], budget=written_settings(budget), seed=seed)
        name = entry_name(setup, dataset, control=control)
        stop = SuccessiveHalving(study=name, seed=seed, rungs=rungs_of(budget)) if setup.early_stopping else None
        return Job(
            trial=trial, data=data.folders.get(dataset.name), cache=data.cache, splits=(), threads=execution.threads,
            device=execution.device, devices=execution.devices_per_trial, checkpointing=execution.checkpointing,
            stop=stop, label=label, work=float(budget.steps),
            selection=data.folders.get(data.select_on) if data.select_on else None,
        )  # fmt: skip

    def make(values: Values) -> Candidate:
        method, changes = setup.space.configure(values)
        budget = replace(setup.budget, **changes)
        label = point_label(values, plan=method["plan"] if setup.space.operators else "")
        each = product(setup.datasets, range(setup.seeds)) if needs_training(setup.objectives) else ()
        jobs = tuple(job(dataset, seed, method, budget, label) for dataset, seed in each)
        return Candidate(label=label, values=values, method=method, budget_changes=changes, jobs=jobs)

    return make


def point_label(values: Values, *, plan: str) -> str:
    """What a point is called: its plan where the space varies it, and the other values by their names' order, which is
    the same for a point that was drawn and for one that was read."""
    rest = [
        f"{name.split('.')[-1]} {value:.3g}" if isinstance(value, float) else f"{name.split('.')[-1]} {value}"
        for name, value in sorted(values.items())
        if not name.startswith("plan.")
    ]
    return f"{plan} {', '.join(rest)}".strip()


def run_search(setup: SearchSetup, search: Search) -> int:
    """Run a search, or its random control, to its end, and show its best; returns how many candidates failed."""
    resumed = f", {len(search.candidates)} of them known" if search.candidates else ""
    print(f"{search.plan.name}: {setup.trials} configurations{resumed}, in {setup.options.runs}", flush=True)
    trained = needs_training(setup.objectives)
    status = watch(drive(search, setup.options.execution, setup.options.runs) if trained else propose_all(search))
    _save_last(search)
    print(summarise(search))
    for key, reason in status.given_up.items():
        print(f"failed: {search.label(key)} ({key}): {reason}")
    return sum(outcome.state == "failed" for outcome in search.outcomes.values())


def propose_all(search: Search) -> Generator[Status]:
    """A search whose candidates need no trials: they end as they are proposed."""
    while search.open:
        search.next()
        if search.waits:
            time.sleep(POLL_S)
    yield Status(total=0, left=0, work=0.0, running=(), given_up={}, note=search.note)


def _save_last(search: Search) -> None:
    """Save how the last candidates have ended, in a turn of its own."""
    while (turn := search.plan.turn()) is None:
        time.sleep(POLL_S)
    with turn:
        search.resume(search.plan.saved_points())
        search.plan.save_candidates(search)


def require_storage(setup: SearchSetup) -> None:
    """Refuse to start where the weights of all trials, and the checkpoints of the stopped ones, may not find room.

    Raises:
        StorageError: there is no space, or the folder cannot be written.
    """
    shape = padded_shape(setup.datasets[0].shape)
    largest = max(count_cost(arm.method, shape)[0] for arm in setup.study.comparison_arms(setup.budget))
    trials = setup.trials * len(setup.controls) * setup.seeds * len(setup.datasets)
    require_space(setup.options.runs, mib=20 + 3 * 4 * largest * trials / 2**20)
