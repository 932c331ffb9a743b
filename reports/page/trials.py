"""The trials of a study as rows to sort, each with its configuration, its history and the way to its pictures."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fusemorph.storage import RecordError
from reports.analysis.comparison import Comparison
from reports.figures.pairs import pictured_arms
from reports.page.render import cells
from reports.records.files import EVALUATED
from reports.records.trial import read_record
from reports.tables.table import Table, caption
from reports.wording import number, significant

MOST_DETAILED = 250
"""Trials whose configuration stands on the page; each takes two or three kilobytes."""
MOST_VALIDATIONS = 12


def trial_section(comparison: Comparison) -> dict[str, Any]:
    """``trials``: the table for the template; ``details``: what is behind each of its rows."""
    records = comparison.records
    trials = records.trials.reset_index(drop=True)
    detailed = len(trials) <= MOST_DETAILED
    table = _table(comparison, trials, detailed=detailed)
    content = cells(table, stem=records.stem, name="all_trials", written=False)
    for place, (row, arm, seed) in enumerate(zip(content["rows"], trials["arm"], trials["seed"], strict=True)):
        row |= {"id": f"{records.stem}-trial-{place}", "arm": str(arm), "seed": str(seed)}
        row["links"] = {len(row["cells"]) - 1: f"#{records.stem}-details-{place}"} if detailed else {}
    return {"trials": content, "details": list(_details(comparison, trials)) if detailed else []}


def _table(comparison: Comparison, trials: pd.DataFrame, *, detailed: bool) -> Table:
    metric, pairs = comparison.metric, comparison.records.pairs
    means = pairs.groupby(["arm", "seed"])[metric.name].mean() if len(pairs) else pd.Series(dtype=float)
    values = [
        float(means.get((arm, seed), float("nan"))) for arm, seed in zip(trials["arm"], trials["seed"], strict=True)
    ]
    seconds = pd.to_numeric(trials["training_s"], errors="coerce")
    shown = pd.DataFrame(
        {
            "Arm": trials["arm"],
            "Seed": trials["seed"],
            "State": trials["state"],
            metric.label: [metric.number(value) for value in values],
            "Training (s)": [significant(value) for value in seconds],
            "Key": trials["key"],
        }
    )
    text = f"Every planned trial; {metric.label}: mean over its pairs."
    text += " A key links to the configuration and the history below the table." if detailed else ""
    return Table(title="Trials", caption=caption(text, comparison.records), numbers=shown, shown=shown)


def _details(comparison: Comparison, trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    records = comparison.records
    pictured = {arm: place for place, arm in enumerate(pictured_arms(comparison))}
    histories = dict(iter(records.history.groupby(["arm", "seed"]))) if len(records.history) else {}
    for place, trial in trials.iterrows():
        shown = records.pictures.get(trial["arm"])
        has_pictures = trial["arm"] in pictured and shown is not None and shown.seed == trial["seed"]
        yield {
            "id": f"{records.stem}-details-{place}",
            "title": f"{trial['arm']}, seed {trial['seed']}: {trial['key']}",
            "summary": _state_and_size(trial),
            "history": _history(histories, str(trial["arm"]), str(trial["seed"])),
            "configuration": _configuration(str(trial["folder"])),
            "pictures": f"{records.stem}-figure-pairs{pictured[trial['arm']]}" if has_pictures else "",
        }


def _state_and_size(trial: "pd.Series[Any]") -> str:
    state = str(trial["state"]) if trial["state"] == EVALUATED else f"{trial['state']}: {trial['reason']}"
    size = [f"{float(trial['parameters']):,.0f} parameters"] if pd.notna(trial["parameters"]) else []
    machine = [f"on {trial['device']}"] if isinstance(trial.get("device"), str) else []
    return f"{', '.join([state.capitalize(), *size, *machine])}."


def _history(histories: Mapping[Any, pd.DataFrame], arm: str, seed: str) -> str:
    history = histories.get((arm, seed))
    if history is None or "val_dice" not in history or history["val_dice"].isna().all():
        return ""
    validated = history.dropna(subset=["val_dice"]).sort_values("step")
    kept = validated.iloc[:: -(-len(validated) // MOST_VALIDATIONS)]
    kept = kept if kept.index[-1] == validated.index[-1] else pd.concat([kept, validated.tail(1)])
    return ", ".join(f"{step:.0f}: {number(value)}" for step, value in zip(kept["step"], kept["val_dice"], strict=True))


def _configuration(folder: str) -> str:
    if not folder:
        return ""
    try:
        return json.dumps(read_record(Path(folder) / "record.json")["configuration"], indent=1, ensure_ascii=False)
    except RecordError:
        return ""  # the problems of the study say so
