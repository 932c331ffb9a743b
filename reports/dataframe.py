"""The records of trials as one DataFrame, and a comparison made from such a DataFrame alone."""

from collections.abc import Sequence
from dataclasses import fields
from math import nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from reports.analysis.comparison import Comparison, compare
from reports.records import NothingToReportError
from reports.records.files import EVALUATED
from reports.records.loading import load_studies
from reports.records.metric import METRICS_BY_NAME, Metric, metric_of
from reports.records.study import StudyRecords
from reports.records.trial import COST, MACHINE

_NEEDED = ("arm", "seed", "pair", "block")
_OF_ARM = ("arm", "label", "group", "method", "plan", "parent", "strategy", "labelled")
_OF_TRIAL = (
    "seed",
    "key",
    "state",
    "reason",
    "trained",
    "canonical_plan",
    "parameters",
    "flops",
    "numerics",
    "fingerprint",
)
_BUILT = ("arms", "trials", "pairs")
_DEFAULTS: dict[str, Any] = {
    "group": "arms", "method": "", "plan": None, "parent": "",
    "strategy": "", "labelled": nan, "key": "", "state": EVALUATED, "reason": "",
    "trained": True, "canonical_plan": None, "parameters": np.nan, "flops": np.nan, "folder": "",
    "failure": "",
}  # fmt: skip

Kind = Literal["pairs", "labels", "history", "gates"]


def load(runs: Sequence[Path | str] | Path | str, *, study: str | None = None, kind: Kind = "pairs") -> pd.DataFrame:
    """The records in run folders as a DataFrame, each row with the arm and the trial that it is of.

    ``kind``: ``pairs`` has one row per pair of a trial (one without a pair for a trial without a result), ``labels``
    one per pair and structure, ``history`` and ``gates`` one per validation. Several studies follow each other, told
    apart by ``study`` and ``dataset``.

    Raises:
        NothingToReportError: a folder that does not exist, no study in any of them, or no study of that name.
    """
    folders = [runs] if isinstance(runs, Path | str) else runs
    studies = load_studies([Path(run) for run in folders], study=study)
    if not studies:
        names = ", ".join(map(str, folders))
        raise NothingToReportError(f"{names}: only searches, no study; load_search() of reports.plot reads those")
    return pd.concat([_flat(records, kind) for records in studies], ignore_index=True)


def comparison_of(
    records: pd.DataFrame, *, primary: str | Metric = "dice", baseline: str | None = None, margin: float | None = None
) -> Comparison:
    """The arms of one study beside each other, from a DataFrame of ``pairs`` as ``load`` gives it, or any like it.

    ``primary``: a metric by its name, or a ``Metric`` of your own, which is a column of ``records``.

    Of ``records`` only ``arm``, ``seed``, ``pair``, ``block`` and the metric ``primary`` are needed; what is not there
    is not measured. ``baseline``: an arm (default: the one that the study names, else the first); ``margin``
    as in ``reports.analysis.comparison.compare``.

    Raises:
        ValueError: a column is missing, the rows are of several studies, or a pair of a trial is listed twice.
        NothingToReportError: ``primary`` is no metric, ``baseline`` no arm, or ``margin`` not above 0.
    """
    metric = metric_of(primary) if isinstance(primary, str) else primary
    missing = [name for name in (*_NEEDED, metric.name) if name not in records]
    if missing:
        raise ValueError(f"comparison_of(): 'records' must have the columns {', '.join(missing)}")
    if "study" in records and records["study"].nunique() > 1:
        names = ", ".join(sorted(records["study"].unique()))
        raise ValueError(f"comparison_of(): 'records' must be of one study, got {names}")
    return compare(_study_of(records, metric), baseline=baseline, metric=metric, margin=margin)


def _flat(records: StudyRecords, kind: Kind) -> pd.DataFrame:
    # A structure has a label too.
    arms = records.arms[list(_OF_ARM)].rename(columns={"label": "arm_label"})
    facts = [*_OF_TRIAL, *(f"cost_{name}" for name in COST)]
    trials = records.trials.reindex(columns=["arm", *facts])
    table: pd.DataFrame = getattr(records, kind)
    rows = trials.merge(table, on=["arm", "seed"], how="left" if kind == "pairs" else "inner")
    flat = arms.merge(rows, on="arm", how="inner")
    context = {
        "study": records.name,
        "dataset": str(records.dataset.get("name") or ""),
        "split": records.split,
        "selection_split": str(records.definition.get("selection_split", "val")),
        "reference": records.definition.get("reference"),
    }
    return flat.assign(**context).reindex(columns=[*context, *(name for name in flat)])


def _study_of(records: pd.DataFrame, metric: Metric) -> StudyRecords:
    frame = records.assign(**{name: value for name, value in _DEFAULTS.items() if name not in records})
    frame = frame.assign(arm=frame["arm"].astype(str), seed=frame["seed"].astype(str))
    pairs = frame[frame["pair"].notna()]
    twice = pairs[pairs.duplicated(["arm", "seed", "pair"])]
    if len(twice):
        arm, seed, pair = twice[["arm", "seed", "pair"]].iloc[0]
        raise ValueError(
            f"comparison_of(): 'records' must have a pair of a trial once, got {arm}, seed {seed}, {pair} twice"
        )
    trials = frame.drop_duplicates(["arm", "seed"])
    arms = frame.drop_duplicates("arm")
    groups = list(dict.fromkeys(arms["group"]))
    arms = arms.assign(label=arms["arm_label" if "arm_label" in arms else "arm"], keys=None)
    arms = arms.sort_values("group", key=lambda column: column.map(groups.index), kind="stable")
    empty = pd.DataFrame({"arm": [], "seed": []}, dtype=str)
    tables = {
        column.name: empty
        for column in fields(StudyRecords)
        if column.type is pd.DataFrame and column.name not in _BUILT
    }
    of_trial = [name for name in (*_OF_TRIAL, "folder") if name in trials]
    return StudyRecords(
        name=_recorded(frame, "study", "records"),
        definition={
            "reported_split": _recorded(frame, "split", "not named"),
            "selection_split": _recorded(frame, "selection_split", "val"),
            "dataset": {"name": _recorded(frame, "dataset", "")},
            "reference": _recorded(frame, "reference", ""),
        },
        arms=arms[[*_OF_ARM, "keys"]].reset_index(drop=True),
        trials=trials.reindex(columns=["arm", *of_trial, *MACHINE]).reset_index(drop=True),
        pairs=pairs.reindex(columns=[*_NEEDED, *dict.fromkeys([*METRICS_BY_NAME, metric.name]), "failure"])
        .fillna({"failure": ""})
        .reset_index(drop=True),
        pictures={},
        problems=(),
        others=(),
        **tables,
    )


def _recorded(frame: pd.DataFrame, column: str, otherwise: str) -> str:
    values = list(frame[column].dropna()) if column in frame else []
    return str(values[0]) if values else otherwise
