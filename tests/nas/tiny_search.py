"""A search by TPE with early stopping, as small as can be: ``python tiny_search.py RUNS CACHE DRIVER``."""

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from fusemorph.configuration import Budget, Trial
from fusemorph.data import open_dataset
from fusemorph.fusion.method import Fusion
from fusemorph.storage import read_json, write_json
from fusemorph.trials.claims import take_claim
from fusemorph.trials.job import Job
from nas.inline import run_inline
from nas.objectives import find_objectives
from nas.optuna import OptunaSearcher
from nas.search import Search
from nas.search_plan import Candidate, SearchPlan
from nas.space import Values
from nas.spaces import placement
from nas.successive_halving import SuccessiveHalving, rungs_of

TRIALS = 12
BUDGET = Budget(steps=8, width=2, learning_rate=3e-3, validations=4, validation_pairs=2)
METHOD = Fusion(plan="autofuse", channels=(4, 8, 8, 16, 16))


def make_search(runs: Path, cache: Path) -> Search:
    """The search as far as the records say that it has come."""
    dataset = open_dataset("virtual_brains", cache=cache, spacing_mm=8.0, train=4, val=4)
    described = dataset.configuration()
    space, entry = placement(METHOD.configuration()), runs / "studies" / "tiny.json"
    stop = SuccessiveHalving(study="tiny", seed=0, rungs=rungs_of(BUDGET))

    def make(values: Values) -> Candidate:
        method, changes = space.configure(values)
        trial = Trial(method=method, dataset=described, budget=asdict(BUDGET), seed=0)
        job = Job(trial=trial, data=None, cache=cache, splits=(), stop=stop)
        return Candidate(label=method["plan"], values=values, method=method, budget_changes=changes, jobs=(job,))

    def save_candidates(search: Search) -> None:
        candidates = search.candidates.values()
        arms = [{"values": c.values, "keys": {"0": c.jobs[0].trial.key}} for c in candidates]
        write_json(entry, {"arms": arms})

    plan = SearchPlan(
        name="tiny", space=space, trials=TRIALS, objectives=find_objectives(["dice"]),
        identity_dice={dataset.name: 0.5},
        runs=runs, seed=0, make=make, refuses=lambda method: None, limits={}, save_candidates=save_candidates,
        turn=partial(take_claim, runs / "studies" / "tiny.proposer"), saved_points=partial(saved_points, entry),
    )  # fmt: skip
    directions = [objective.direction for objective in plan.objectives]
    search = Search(plan=plan, searcher=OptunaSearcher(space, directions=directions, sampler="tpe", seed=0))
    search.resume(saved_points(entry))
    return search


def saved_points(entry: Path) -> list[tuple[Values, int | None]]:
    """The points that any process of the search has saved."""
    return [(arm["values"], None) for arm in read_json(entry)["arms"]] if entry.exists() else []


def main(runs: Path, cache: Path, driver: str) -> None:
    """Run the search to its end."""
    search = make_search(runs, cache)
    if driver == "ray":
        from nas.ray import run_ray

        statuses = run_ray(search, runs)
    else:
        statuses = run_inline(search, runs, workers=2)
    for _ in statuses:
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
