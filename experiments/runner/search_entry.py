"""What RUNS/studies says of a search, one entry a data set, and what is read from it when the search goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.runner.datasets import dataset_entry, selection_split
from experiments.runner.search_setup import SearchSetup
from experiments.study import read_entry, register_study
from fusemorph.configuration import Json, written_settings
from fusemorph.data.dataset import Dataset
from nas.search import Search
from nas.search_plan import Candidate
from nas.space import Values


def entry_name(setup: SearchSetup, dataset: Dataset, *, control: bool) -> str:
    """What the search is called in RUNS on one of its datasets."""
    suffix = "-random" if control else ""
    return f"{setup.name}{suffix}" + (f"-{dataset.name}" if len(setup.datasets) > 1 else "")


def proposer_folder(setup: SearchSetup, *, control: bool) -> Path:
    """Where the process that proposes claims to: of several on one run folder, one at a time."""
    return setup.options.runs / "studies" / f"{entry_name(setup, setup.datasets[0], control=control)}.proposer"


def saved_points(setup: SearchSetup, *, searcher: str, control: bool) -> list[tuple[Values, int | None]]:
    """The points that an earlier call saved, in their order, with the step at which it stopped them, if it did.

    Raises:
        RecordError: an entry of the name, on any of the datasets, is of another definition.
    """
    entries = [search_entry(setup, dataset, (), searcher=searcher, control=control) for dataset in setup.datasets]
    present = [read_entry(setup.options.runs, entry) for entry in entries]
    arms = present[0]["arms"] if present[0] else []
    ended = [arm.get("ended", {}) for arm in arms]
    return [
        (arm["values"], end["step"] if end.get("state") == "pruned" else None)
        for arm, end in zip(arms, ended, strict=True)
    ]


def save_candidates(setup: SearchSetup, searcher: str, control: bool, search: Search) -> None:
    """Write the search's entries, one a dataset: its candidates, and how it judged those that have ended."""
    candidates = tuple(search.candidates.values())
    for dataset in setup.datasets:
        entry = search_entry(setup, dataset, candidates, searcher=searcher, control=control)
        entry["search"] |= {"duplicates": search.duplicates, "refused": len(search.refused)}
        for arm, candidate in zip(entry["arms"], candidates, strict=True):
            if (outcome := search.outcomes.get(candidate.identity)) is not None:
                arm["ended"] = {"state": outcome.state, "step": max(outcome.intermediate, default=0)}
                if not candidate.jobs:
                    arm["ended"] |= {"values": list(outcome.values)}
        register_study(setup.options.runs, entry)


def search_entry(
    setup: SearchSetup, dataset: Dataset, candidates: Sequence[Candidate], *, searcher: str, control: bool
) -> Json:
    """What ``RUNS/studies/NAME.json`` says of a search on one dataset."""
    search: dict[str, Any] = {
        "space": setup.space.as_json(), "searcher": searcher, "seed": setup.options.search.search_seed,
        "trials": setup.trials, "objectives": [objective.name for objective in setup.objectives],
        "limits": dict(setup.limits), "floors": dict(setup.identity_dice), "early_stopping": setup.early_stopping,
        "datasets": [dataset.name for dataset in setup.datasets], "control_of": setup.name if control else None,
    }  # fmt: skip
    if setup.options.search.warm_start and not control:
        search["warm_start"] = setup.options.search.warm_start
    return {
        "name": entry_name(setup, dataset, control=control), "study": setup.options.study_name,
        "question": setup.study.question, "protocol": list(setup.study.protocol), "dataset": dataset_entry(dataset),
        "budget": {"name": setup.budget_name} | written_settings(setup.budget), "seeds": list(range(setup.seeds)),
        "reference": "", "reported_split": "val", "selection_split": "val", "skipped": {}, "search": search,
        "split_note": f"a search selects on {selection_split(dataset)}; only its confirmation is evaluated on test",
        "arms": [_arm_entry(candidate, dataset) for candidate in candidates],
    }  # fmt: skip


def _arm_entry(candidate: Candidate, dataset: Dataset) -> Json:
    trials = [job.trial for job in candidate.jobs if job.trial.dataset["name"] == dataset.name]
    return {
        "label": candidate.label, "group": "searched", "method": candidate.method, "values": candidate.values,
        "budget_changes": candidate.budget_changes, "keys": {str(trial.seed): trial.key for trial in trials},
    }  # fmt: skip
