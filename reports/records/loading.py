"""Records of one or several run folders -> tidy tables, a study at a time, with what is missing and why."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from reports.records.contents import printable_table, read_object
from reports.records.definitions import Definitions, load_definitions
from reports.records.files import EVALUATED, Problems, as_object, csv_path, read_pairs
from reports.records.other_data import OtherData
from reports.records.study import Pictures, StudyRecords
from reports.records.trial import MACHINE, load_trial

OPTIMISED = "instance_optimisation"
"""The method that starts from another one's results."""


def load_studies(
    runs: Sequence[Path],
    *,
    study: str | None = None,
    dataset: str | None = None,
    definitions: Definitions | None = None,
) -> list[StudyRecords]:
    """Every study in the run folders, or the one named ``study``, or those on ``dataset``; the same study in several
    folders is joined.

    Searches are none of these: ``reports.records.search`` loads them. ``definitions``: those of the folders, where they
    have been read before.

    Raises:
        NothingToReportError: a folder that does not exist, no study in any of them, none of that name or data set.
    """
    runs = [Path(run) for run in runs]
    chosen = (definitions or load_definitions(runs)).chosen(study=study, dataset=dataset)
    return [_load_study(definition, runs, Problems(list(chosen.problems))) for definition in chosen.studies.values()]


def _load_study(definition: dict[str, Any], runs: Sequence[Path], problems: Problems) -> StudyRecords:
    split = definition["reported_split"]
    arms = _arms(definition)
    trials = []
    tables: dict[str, list[pd.DataFrame]] = {"pairs": [], "labels": [], "history": [], "gates": [], "pair_gates": []}
    pictures: dict[str, Pictures] = {}
    for arm, keys in zip(arms["arm"], arms["keys"], strict=True):
        for seed, key in sorted(keys.items(), key=lambda item: int(item[0])):
            row, read = load_trial(key, runs, split, problems)
            trials.append({"arm": arm, "seed": str(seed), "key": key, **row})
            for name, table in read.items():
                tables[name].append(table.assign(arm=arm, seed=str(seed)))
            if row["state"] == EVALUATED and arm not in pictures:
                pictures |= _pictures(arm, str(seed), Path(row["folder"]) / "eval" / split, problems)
    loaded = pd.DataFrame(trials).reindex(columns=_columns(trials))
    if arms["labelled"].notna().any():
        planned = str(as_object(definition.get("dataset")).get("fingerprint"))
        loaded["fingerprint"] = _whatever_is_labelled(loaded, arms, planned)
    problems.messages.extend(_mixtures(loaded))
    others = _load_others(definition, loaded, problems)
    empty = pd.DataFrame({"arm": pd.Series(dtype=str), "seed": pd.Series(dtype=str)})
    joined = {name: pd.concat(parts, ignore_index=True) if parts else empty.copy() for name, parts in tables.items()}
    return StudyRecords(
        name=str(definition["name"]),
        definition=definition,
        arms=arms,
        trials=loaded,
        pictures=pictures,
        others=others,
        problems=tuple(dict.fromkeys(problems.messages)),
        **joined,
    )


def _load_others(definition: dict[str, Any], trials: pd.DataFrame, problems: Problems) -> tuple[OtherData, ...]:
    """The evaluations of the study's trials on each of the other data sets; a trial without one has no rows."""
    return tuple(
        OtherData(
            folder=other["folder"], split=other["split"], dataset=as_object(other["dataset"]),
            pairs=_pairs(other["folder"], trials, problems),
        )
        for other in definition.get("evaluated_on") or []
    )  # fmt: skip


def _pairs(evaluation: str, trials: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    tables: list[pd.DataFrame] = []
    for arm, seed, folder in trials[["arm", "seed", "folder"]].itertuples(index=False):
        path = csv_path(Path(folder) / "eval" / evaluation / "pairs") if folder else None
        if path is not None and (table := problems.attempt(read_pairs, path)) is not None:
            tables.append(printable_table(table).assign(arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _columns(trials: Sequence[dict[str, Any]]) -> list[str]:
    """The columns of the table of trials, whatever its trials lack."""
    always = ("arm", "seed", "key", "state", "reason", "trained", "folder", "canonical_plan", "parameters", "flops")
    return list(dict.fromkeys([*always, *MACHINE, *(name for trial in trials for name in trial)]))


def _arms(definition: dict[str, Any]) -> pd.DataFrame:
    """One row per arm, group by group; labels that several groups share are told apart by their group.

    Arms without keys were not asked for, and are left out where others were.
    """
    groups = list(dict.fromkeys(arm.get("group") for arm in definition["arms"]))
    planned = [arm for arm in definition["arms"] if arm["keys"]] or definition["arms"]
    arms = sorted(planned, key=lambda arm: groups.index(arm.get("group")))
    labels = Counter(arm["label"] for arm in arms)
    names: list[str] = []
    for arm in arms:
        name = arm["label"] if labels[arm["label"]] == 1 else f"{arm['label']} ({arm.get('group', 'no group')})"
        names.append(name if name not in names else f"{name} {names.count(name) + 1}")
    methods = [as_object(arm.get("method")) for arm in arms]
    return pd.DataFrame(
        {
            "arm": names,
            "label": [arm["label"] for arm in arms],
            "group": [str(arm.get("group") or "arms") for arm in arms],
            "method": [str(method.get("name", "")) for method in methods],
            "plan": [method.get("plan") for method in methods],
            "parent": _parents(names, [str(arm["label"]) for arm in arms], methods),
            "keys": [arm["keys"] for arm in arms],
            "strategy": [str(arm.get("strategy") or "") for arm in arms],
            "labelled": pd.Series([labelled_subjects(arm) for arm in arms], dtype=float),
        }
    )


def labelled_subjects(arm: dict[str, Any]) -> float:
    """Of how many training subjects an arm has seen the labels; NaN where the study does not vary it."""
    count = arm.get("labelled")
    return float(count) if type(count) is int and count >= 0 else nan


def _parents(names: Sequence[str], labels: Sequence[str], methods: Sequence[dict[str, Any]]) -> list[str]:
    """The arm whose results each arm starts from (instance optimisation), or nothing."""
    by_method = {json.dumps(method, sort_keys=True): name for name, method in zip(names, methods, strict=True)}
    of = (as_object(method.get("of")) if method.get("name") == OPTIMISED else {} for method in methods)
    return [by_method.get(json.dumps(parent, sort_keys=True), "") if parent else "" for parent in of]


def _pictures(arm: str, seed: str, evaluation: Path, problems: Problems) -> dict[str, Pictures]:
    path = evaluation / "pictures.npz"
    if not path.is_file():
        return {}
    summary = evaluation / "summary.json"
    recorded = as_object((problems.attempt(read_object, summary) or {}).get("pictures")) if summary.is_file() else {}
    return {arm: Pictures(seed=seed, path=path, pairs={rank: as_object(about) for rank, about in recorded.items()})}


def _whatever_is_labelled(trials: pd.DataFrame, arms: pd.DataFrame, planned: str) -> "pd.Series[Any]":
    """Fingerprints by which only trials of other data differ, the study's own for the rest: numbers of labelled
    subjects, which a fingerprint tells too, are varied by design."""
    labelled = trials["arm"].map(dict(zip(arms["arm"], arms["labelled"].fillna(-1), strict=True)))
    first = trials.groupby(labelled)["fingerprint"].transform("first")
    return trials["fingerprint"].where(trials["fingerprint"] != first, planned)


def _mixtures(trials: pd.DataFrame) -> Iterable[str]:
    """Statements about trials that should not be in one table."""
    for column, phrase, so in (
        ("numerics", "versions of the numerics", "their arms are not comparable"),
        ("fingerprint", "fingerprints of the data", "their arms are not comparable"),
        ("precision", "precisions of training", "arms may differ by that alone"),
    ):
        distinct = sorted({str(value) for value in trials[column].dropna()}) if column in trials else []
        if len(distinct) > 1:
            yield f"the trials mix {len(distinct)} {phrase} ({', '.join(distinct)}): {so}"
