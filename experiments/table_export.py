"""The table of a ``table`` study: its finished trials as one compressed file without weights, and a card beside it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusemorph.configuration import Json
from fusemorph.records import history_of, read_record
from fusemorph.storage import RecordError, StorageError, read_json, write_bytes
from nas.table import COLUMNS, FORMAT, PlanTable, write_table

SAME = ("space", "budget")
"""What the studies of one table must have in common."""


def export_table(runs: Path, names: Sequence[str], out: Path) -> PlanTable:
    """Write the curves of the finished trials of one study a data set to ``out``, and ``out`` with ``.md`` as its card.

    Raises:
        RecordError: a study cannot be read, is not of a space's plans, or differs from the others in space or budget;
            a trial cannot be read, or none has finished.
        TableError: ``out`` is there with other numbers.
        StorageError: it cannot be written.
    """
    studies = [read_json(runs / "studies" / f"{name}.json") for name in names]
    for name, study in zip(names, studies, strict=True):
        if "space" not in study:
            raise RecordError(f"{runs / 'studies' / name}.json is not a table: its arms are not the plans of a space")
        if differing := [part for part in SAME if study[part] != studies[0][part]]:
            raise RecordError(f"{names[0]} and {name} differ in their {' and '.join(differing)}: make two tables")
    sets = [study["dataset"]["name"] for study in studies]
    if len(set(sets)) < len(sets):
        raise RecordError(f"{', '.join(names)} are on {', '.join(sets)}: a table takes each data set once")
    rows = [row for study in studies for row in _rows(runs, study)]
    if not rows:
        raise RecordError(f"{', '.join(names)}: no trial has finished")
    counted = ("seed", "step", "parameters", "flops")
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).astype(dict.fromkeys(counted, "int64"))
    metadata = {
        "format": FORMAT, "space": studies[0]["space"], "budget": studies[0]["budget"],
        "steps": sorted({int(step) for step in frame["step"]}),
        "datasets": {study["dataset"]["name"]: _dataset(study["dataset"]) for study in studies},
        "failed": [failure for study in studies for failure in _failed(runs, study)],
    }  # fmt: skip
    table = PlanTable(rows=frame, metadata=metadata)
    try:
        write_table(table, out)
    except OSError as error:
        raise StorageError(error.errno, f"{out}: {error.strerror}") from error
    write_bytes(out.with_suffix(".md"), card(table).encode())
    return table


def _trials(runs: Path, study: Mapping[str, Any], status: str) -> Iterator[tuple[str, int, Path, Json]]:
    """Plan, seed, folder and record of each trained trial of that status."""
    for arm in study["arms"]:
        for seed, key in arm["keys"].items():
            folder = runs / key
            if not (folder / "record.json").exists() or arm["method"].get("plan") is None:
                continue
            record = read_record(folder)
            if record["status"] == status:
                yield arm["method"]["plan"], int(seed), folder, record


def _rows(runs: Path, study: Mapping[str, Any]) -> Iterator[Json]:
    for plan, seed, folder, record in _trials(runs, study, "finished"):
        history, training_s = history_of(folder), float(read_json(folder / "measured.json")["training_s"])
        for row in history:
            curve = {name: row[name] for name in ("val_dice", "val_folding_fraction", "val_sd_log_jacobian")}
            facts = {"parameters": record["parameters"], "flops": record["flops"]}
            spent = {"step": row["step"], "seconds": training_s * row["step"] / history[-1]["step"]}
            yield {"plan": plan, "dataset": study["dataset"]["name"], "seed": seed} | spent | curve | facts


def _failed(runs: Path, study: Mapping[str, Any]) -> Iterator[Json]:
    for plan, seed, _, record in _trials(runs, study, "failed"):
        yield {"plan": plan, "dataset": study["dataset"]["name"], "seed": seed, "reason": str(record["reason"])}


def _dataset(entry: Mapping[str, Any]) -> Json:
    """What the table says of a data set: nothing of where it lies."""
    kept = ("title", "source", "licence", "shape", "spacing_mm", "fingerprint", "synthetic")
    return {name: entry[name] for name in kept if name in entry}


def card(table: PlanTable) -> str:
    """What the table is, how it was made, licences and limits, as Markdown."""
    about, rows = table.metadata, table.rows
    counts = [
        f"- `{name}`: {len(of['plan'].unique())} plans, {len(of['seed'].unique())} seeds, "
        f"{of.groupby(['plan', 'seed'])['seconds'].max().sum() / 3600:.1f} hours of training"
        for name, of in rows.groupby("dataset", sort=False)
    ]
    licences = [
        f"- `{name}`: {data.get('title', name)}; {data.get('source', '')}; licence: {data.get('licence', 'not stated')}"
        for name, data in about["datasets"].items()
    ]
    budget, space = about["budget"], about["space"]
    symmetric = " symmetric" if budget.get("symmetric") else ""
    return "\n".join(
        [
            f"# A table of trained fusion plans: space {space['name']}\n",
            f"Every row is one validation of one training of a plan over the operators `{space['operators']}`: "
            f"{budget['steps']}{symmetric} steps at c = {budget['width']}, validated after "
            f"{', '.join(map(str, about['steps']))} steps. Made by `python -m experiments.sweep table` and "
            "`python -m experiments.export --format table`; read it with `nas.table.read_table`.\n",
            *counts,
            f"\nFailed trainings, which have no rows: {len(about['failed'])}.\n",
            "Columns: `plan`, `dataset`, `seed`, `step`; val Dice, folding fraction and SD of the log Jacobian as "
            "means over the validated pairs; `seconds` of training and validation so far, a trial's whole time divided "
            "in proportion to steps; `parameters` and forward `flops`.\n",
            "## Data and licences\n",
            *licences,
            "\nThe table holds means over pairs, and no images; it is under the licence of this repository.\n",
            "## Limits\n",
            "The budget is short and networks are narrow: the order of plans need not hold elsewhere. Scores are of "
            "val, on which a search selects. Seconds are of the machine that trained, with whatever else ran on it. "
            "The same validation pairs score every plan, so that differences between plans hold for these pairs.\n",
        ]
    )
