"""All tables of a comparison, their files, and a short one for the terminal."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import pandas as pd

from reports.analysis.comparison import Comparison, compare_studies
from reports.analysis.significance import Certainty
from reports.analysis.structures import structure_means, structure_names
from reports.records.definitions import load_definitions
from reports.records.files import EVALUATED
from reports.records.metric import METRICS_BY_NAME
from reports.records.search import load_searches
from reports.tables.arms import differences, leaderboard, overview
from reports.tables.cost import cost, regularity
from reports.tables.groups import side_by_side
from reports.tables.labels import labels
from reports.tables.other_data import other_data
from reports.tables.published import published
from reports.tables.search import search_text
from reports.tables.significance import ranks, robustness, significance
from reports.tables.table import Table, caption, write_csv
from reports.tables.terminal import underlined
from reports.wording import MINUS, NOT_MEASURED, number

WIDEST = 8


def structures(comparison: Comparison) -> Table:
    """Mean Dice by arm and structure."""
    labels = comparison.records.labels
    if labels.empty:
        empty = pd.DataFrame(columns=["arm", "label", "name", "dice", "seed_sd"])
        return Table(title="Dice by structure", caption="No labels.csv was found.", numbers=empty, shown=empty)
    numbers = structure_means(labels)
    names = structure_names(numbers)
    wide = numbers.assign(structure=names).pivot_table(index="arm", columns="structure", values="dice", sort=False)
    order = [arm for arm in comparison.arms["arm"] if arm in wide.index]
    wide = wide.loc[order, list(dict.fromkeys(names))]
    wide = wide if wide.shape[1] <= WIDEST else wide.T
    shown = wide.map(number).rename_axis(columns=None)
    shown.insert(0, "Arm" if wide.index.name == "arm" else "Structure", list(wide.index))
    text = caption("Mean Dice over pairs and seeds by structure.", comparison.records)
    return Table(title="Dice by structure", caption=text, numbers=numbers, shown=shown.reset_index(drop=True))


def seeds(comparison: Comparison) -> Table:
    """Mean of every metric by arm and seed."""
    pairs = comparison.records.pairs
    metric = comparison.metric
    title = f"{metric.title} by seed"
    text = caption(f"Mean over pairs of each trained network, {metric.label}.", comparison.records)
    if pairs.empty:
        empty = pd.DataFrame(columns=["arm", "seed", *METRICS_BY_NAME])
        return Table(title=title, caption=text, numbers=empty, shown=empty)
    numbers = (
        pairs.groupby(["arm", "seed"], sort=False)[list(dict.fromkeys([*METRICS_BY_NAME, metric.name]))]
        .mean()
        .reset_index()
    )
    wide = numbers.pivot(index="arm", columns="seed", values=metric.name).reindex(comparison.evaluated["arm"])
    shown = wide.map(lambda value: "" if isnan(value) else metric.number(value)).rename_axis(columns=None)
    shown.columns = pd.Index([f"Seed {seed}" for seed in wide.columns])
    shown.insert(0, "Arm", list(wide.index))
    return Table(title=title, caption=text, numbers=numbers, shown=shown.reset_index(drop=True))


def trials(comparison: Comparison) -> Table:
    """Every planned trial that has no result, or not of all pairs, and why."""
    records = comparison.records
    columns = ["arm", "seed", "key", "state", "reason"]
    numbers = records.trials[columns].copy()
    count = int((numbers["state"] != EVALUATED).sum())
    text = f"Planned trials without a result: {count} of {len(numbers)}."
    if failures := failed_pairs(records.pairs):
        for (arm, seed), (state, reason) in failures.items():
            numbers.loc[(numbers["arm"] == arm) & (numbers["seed"] == seed), ["state", "reason"]] = state, reason
        text += f" With a result of some pairs alone: {len(failures)}."
    shown = numbers[numbers["state"] != EVALUATED].rename(columns=str.capitalize)
    title, text = "Missing and failed trials", caption(text, records)
    return Table(title=title, caption=text, numbers=numbers, shown=shown.reset_index(drop=True))


def failed_pairs(pairs: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """By arm and seed of the trials with pairs that failed: how many of how many, and the distinct reasons."""
    if pairs.empty or not (pairs["failure"] != "").any():
        return {}
    states = {}
    for (arm, seed), evaluations in pairs.groupby(["arm", "seed"], sort=False):
        reasons = evaluations[evaluations["failure"] != ""]["failure"].value_counts()
        if len(reasons):
            state = f"{reasons.sum()} of {len(evaluations)} pairs failed"
            states[str(arm), str(seed)] = (
                state,
                "; ".join(f"{times} times: {reason}" for reason, times in reasons.items()),
            )
    return states


def all_tables(certainty: Certainty) -> dict[str, Table]:
    """Every table by the name of its file; ``arms`` holds all numbers of an arm in one row."""
    made = (overview, leaderboard, differences, side_by_side, regularity, cost, structures, seeds, trials, published)
    tables = {table.__name__: table(certainty.comparison) for table in made}
    if certainty.comparison.arms["labelled"].notna().any():
        tables["labels"] = labels(certainty.comparison)
    if certainty.comparison.records.others:
        tables["other_data"] = other_data(certainty.comparison)
    of_ranks = {"ranks": ranks(certainty), "robustness": robustness(certainty)}
    return tables | {"significance": significance(certainty)} | of_ranks


def arms_numbers(comparison: Comparison) -> pd.DataFrame:
    """All that is known of an arm in one row."""
    return comparison.arms.drop(columns=["keys", "parent"]).assign(
        split=comparison.records.split, selection_split=comparison.records.is_selection_split
    )


def write_tables(comparison: Comparison, tables: Mapping[str, Table], folder: Path) -> None:
    """``STUDY_NAME.csv``, ``.md`` and ``.tex`` for every table that has a row."""
    stem = comparison.records.stem
    for name, table in tables.items():
        if len(table.numbers):
            table.write(folder, f"{stem}_{name}")
    write_csv(arms_numbers(comparison), folder / f"{stem}_arms.csv")


def arms_text(runs: Sequence[Path], *, study: str | None = None, baseline: str | None = None) -> str:
    """The arms of a study, or the best candidates of a search, as a short plain table for a terminal.

    Raises:
        NothingToReportError: no study in ``runs``, or no arm named ``baseline``.
    """
    definitions = load_definitions(runs)
    comparisons = compare_studies(runs, study=study, baseline=baseline, definitions=definitions)
    searches = load_searches(runs, study=study, definitions=definitions)
    return "\n\n".join([*map(_text, comparisons), *map(search_text, searches)])


def _text(comparison: Comparison) -> str:
    body = _body(overview(comparison))
    title = caption(f"{comparison.records.name}:", comparison.records)
    unequal = ["Blocks are of unequal size: the interval is of the mean over blocks, which gives each the same weight."]
    lines = [title, *body, *(unequal if comparison.blocks_differ else []), *comparison.notes]
    if comparison.records.others:
        lines += ["", *_table_text(other_data(comparison))]
    return "\n".join(lines)


def _table_text(table: Table) -> list[str]:
    """A table as lines for a terminal, its caption below it."""
    return [f"{table.title}:", *_body(table), table.caption]


def _body(table: Table) -> list[str]:
    shown = table.shown
    rows = [[str(cell).replace(NOT_MEASURED, "-").replace(MINUS, "-") for cell in row] for row in shown.to_numpy()]
    return underlined([str(name) for name in shown.columns], rows)
