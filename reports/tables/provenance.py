"""Where a study's numbers come from: versions, commits, machines, time spent, commands."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from reports.analysis.effort import training_hours
from reports.records.files import EVALUATED
from reports.records.study import StudyRecords
from reports.tables.table import Table
from reports.wording import NOT_MEASURED, count


def provenance(records: StudyRecords) -> Table:
    """One line per fact, over all trials of the study."""
    done = f"{int((records.trials['state'] == EVALUATED).sum())} of {len(records.trials)} evaluated"
    return origin(records.trials, records.definition, records.dataset, done=done)


def origin(
    trials: pd.DataFrame, definition: Mapping[str, Any], dataset: Mapping[str, Any], *, done: str, keys: str = "trials"
) -> Table:
    """Where trials come from; ``done`` says how far they have come, ``keys`` which CSV names them."""
    versions = sorted(
        {f"{name} {version}" for recorded in trials["versions"].dropna() for name, version in recorded.items()}
    )
    rows = {
        "Trials": done,
        "Keys": f"{trials['key'].nunique()} distinct, in the CSV of {keys}",
        "Core-hours": _hours(trials),
        "Resumed": f"{int((pd.to_numeric(trials['resumed_at'], errors='coerce') > 0).sum())} trials, from a checkpoint",
        "Between": _span(trials),
        "Device": _distinct(trials["device"]),
        "Processor": _distinct(trials["host_cpu"]),
        "Trained in": _precision(trials["precision"], definition.get("budget")),
        "Threads a trial": _distinct(trials["threads"].dropna().map(count)),
        "Commit": _distinct(trials["commit"]),
        "Cost measured": _cost(trials),
        "Versions": ", ".join(versions) or NOT_MEASURED,
        "Seeds": _distinct(sorted(trials["seed"].dropna().astype(str).unique(), key=int)),
        "Commands": _distinct([*trials["command"], *_called(definition)]),
        "Data": _data(dataset),
        "Licence": str(dataset.get("licence") or "not stated"),
        "Budget": _settings(definition.get("budget"), without=("precision",)),
        "Data settings": _settings(dataset, without=_SHOWN_ELSEWHERE),
    }
    shown = pd.DataFrame(list(rows.items()), columns=["What", "Value"])
    return Table(title="Provenance", caption="Over all trials of the study.", numbers=shown, shown=shown)


_SHOWN_ELSEWHERE = ("name", "title", "source", "licence", "synthetic", "labels", "fingerprint")


def _called(definition: Mapping[str, Any]) -> list[str]:
    """The command lines that a study was run by: under an engine, trials only know that of their worker."""
    given = definition.get("command")
    return [str(line) for line in given] if isinstance(given, list) else []


def _hours(trials: pd.DataFrame) -> str:
    trained = trials[trials["trained"].astype(bool)].drop_duplicates("key")
    hours = training_hours(trained)
    if not hours.trainings:
        return NOT_MEASURED
    on_gpus = f", and {hours.gpus:.2f} GPU-hours" if hours.gpus else ""
    partial = "" if hours.trainings == len(trained) else f", over {hours.trainings} of {len(trained)} trials"
    return f"{hours.cores:.2f} of training{on_gpus}{partial}"


def _precision(measured: "pd.Series[Any]", budget: Any) -> str:
    """What trials computed in, and what their budget asks for where a machine could not give it."""
    precision, asked = _distinct(measured), budget.get("precision") if isinstance(budget, dict) else None
    return (
        precision
        if asked is None or precision in (asked, NOT_MEASURED)
        else f"{precision} (the budget asks for {asked})"
    )


def _cost(trials: pd.DataFrame) -> str:
    """At which commit and on which processor latency and memory were measured."""
    measured = trials.dropna(subset=["cost_latency_s"])
    if measured.empty:
        return NOT_MEASURED
    return f"at commit {_distinct(measured['cost_commit'])}, on {_distinct(measured['cost_host_cpu'])}"


def _span(trials: pd.DataFrame) -> str:
    started, ended = trials["started"].dropna().astype(str), trials["ended"].dropna().astype(str)
    return f"{started.min()} and {ended.max()}" if len(started) and len(ended) else NOT_MEASURED


def _distinct(values: Iterable[Any]) -> str:
    distinct = dict.fromkeys(str(value) for value in pd.Series(list(values), dtype=object).dropna())
    return "; ".join(distinct) or NOT_MEASURED


def _data(dataset: Mapping[str, Any]) -> str:
    named = str(dataset.get("title") or dataset.get("name") or "not stated")
    source = dataset.get("source")
    return f"{named}. {source}" if source else named


def _settings(settings: Any, *, without: tuple[str, ...] = ()) -> str:
    if not isinstance(settings, dict):
        return "not stated"
    return "; ".join(f"{name} = {value}" for name, value in settings.items() if name not in without) or "none"
