"""One trial's folder -> what it is, how it ended, what it cost, and its own tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusemorph.records import FORMAT
from fusemorph.storage import RecordError
from reports.records.contents import is_amount, is_text, printable_table, read_object, require, shortly
from reports.records.files import (
    EVALUATED,
    Problems,
    as_object,
    csv_path,
    read_gates,
    read_history,
    read_labels,
    read_pair_gates,
    read_pairs,
)

COST = ("latency_s", "train_step_s", "peak_memory_mib", "train_peak_memory_mib")
_MEASURED = ("training_s", "step_s", "peak_memory_mib", "threads", "devices", "resumed_at")
_PROVENANCE = ("started", "ended", "device", "host_cpu", "precision", "commit", "command")
_COST_NUMBERS, _COST_PROVENANCE = (*COST, "threads", "load_average"), ("device", "host_cpu", "commit")
_OF_COST = tuple(f"cost_{name}" for name in (*_COST_NUMBERS, *_COST_PROVENANCE, "shape"))
MACHINE = (*_MEASURED, *_PROVENANCE, "versions", *_OF_COST)


STATUSES = ("running", "pruned", "finished", "failed")
Tables = dict[str, pd.DataFrame]


def load_trial(
    key: str, runs: Sequence[Path], split: str, problems: Problems, *, training: bool = True
) -> tuple[dict[str, Any], Tables]:
    """A row for the table of trials, and the trial's own tables; without ``training``, none of how it was trained."""
    row: dict[str, Any] = {"state": "missing", "reason": "not run", "trained": True, "folder": ""}
    folders = sorted((run / key for run in runs if (run / key).is_dir()), key=lambda folder: _rank(folder, split))
    if not folders:
        return row, {}
    folder = folders[0]
    if not (folder / "record.json").is_file():
        return row | {"reason": "its folder has no record.json (half written)"}, {}
    try:
        record = read_record(folder / "record.json")
    except RecordError as error:
        problems.messages.append(str(error))
        return row | {"state": "unreadable", "reason": str(error)}, {}
    row |= _of_record(record) | _of_machine(folder, problems) | {"folder": str(folder)}
    # Records from before it was measured were trained as their budgets say.
    row["precision"] = row.get("precision") or as_object(record["configuration"].get("budget")).get("precision")
    tables = {
        name: table
        for name, read in (("history", read_history), ("gates", read_gates))
        if training and (path := csv_path(folder / name)) and (table := problems.attempt(read, path)) is not None
    }
    if record["status"] != "finished":
        return row | {"state": record["status"], "reason": str(record.get("reason") or "")}, tables
    facts, evaluation = _evaluation(folder / "eval" / split, problems)
    return row | facts, tables | evaluation


def _evaluation(folder: Path, problems: Problems) -> tuple[dict[str, str], Tables]:
    """The state of the evaluation on a split, and its tables."""
    path = csv_path(folder / "pairs")
    if path is None:
        return {"state": "not evaluated", "reason": f"no pairs.csv for split {folder.name}"}, {}
    try:
        tables = {"pairs": printable_table(read_pairs(path))}
    except RecordError as error:
        problems.messages.append(str(error))
        return {"state": "unreadable", "reason": str(error)}, {}
    for name, file, read in (("labels", "labels", read_labels), ("pair_gates", "gates", read_pair_gates)):
        if (path := csv_path(folder / file)) and (table := problems.attempt(read, path)) is not None:
            tables[name] = printable_table(table)
    return {"state": EVALUATED, "reason": ""}, tables


def _rank(folder: Path, split: str) -> tuple[bool, bool]:
    """Evaluated copies of a trial first, then those with a record."""
    return csv_path(folder / "eval" / split / "pairs") is None, not (folder / "record.json").is_file()


def read_record(path: Path) -> dict[str, Any]:
    """A trial's ``record.json``.

    Raises:
        RecordError: another format, no known status, sizes that are no numbers, or a value of another type than the
            report reads.
    """
    record = read_object(path, format=FORMAT)
    require(path, record, {"status": str, "configuration": dict})
    require(path, record, {"plan": str, "reason": str}, optional=True)
    configuration = record["configuration"]
    require(path, configuration, {"numerics": (int, str), "dataset": dict, "budget": dict}, optional=True)
    require(path, configuration.get("dataset") or {}, {"fingerprint": str}, where="'dataset': ", optional=True)
    require(path, configuration.get("budget") or {}, {"precision": str}, where="'budget': ", optional=True)
    if record["status"] not in STATUSES:
        raise RecordError(f"{path}: 'status' must be one of {', '.join(STATUSES)}, is {shortly(record['status'])}")
    for name in ("parameters", "flops"):
        if record.get(name) is not None and not is_amount(record[name]):
            raise RecordError(f"{path}: '{name}' must be a number of 0 or more, is {shortly(record[name])}")
    if record.get("key", path.parent.name) != path.parent.name:
        raise RecordError(f"{path}: is the record of trial {record['key']}, not of its folder's name")
    return record


def _of_record(record: dict[str, Any]) -> dict[str, Any]:
    configuration = record["configuration"]
    return {
        "trained": configuration.get("budget") is not None,
        "canonical_plan": record.get("plan"),
        "parameters": record.get("parameters"),
        "flops": record.get("flops"),
        "numerics": configuration.get("numerics"),
        "fingerprint": as_object(configuration.get("dataset")).get("fingerprint"),
    }


def _of_machine(folder: Path, problems: Problems) -> dict[str, Any]:
    """What the machine determined, in the sweep (``measured.json``) and alone on it (``cost.json``)."""
    row: dict[str, Any] = {}
    for file, prefix, numbers, texts in (
        ("measured.json", "", _MEASURED, _PROVENANCE),
        ("cost.json", "cost_", _COST_NUMBERS, _COST_PROVENANCE),
    ):
        path = folder / file
        if not path.is_file():
            continue
        content = problems.attempt(read_object, path) or {}
        for names, fits, kind in ((numbers, is_amount, "a number of 0 or more"), (texts, is_text, "a string")):
            for name in names:
                if content.get(name) is None or fits(content[name]):
                    row[prefix + name] = content.get(name)
                else:
                    problems.messages.append(f"{path}: '{name}' must be {kind}, is {shortly(content[name])}")
        row |= {"cost_shape": content.get("shape")} if prefix else {"versions": as_object(content.get("versions"))}
    return row
