"""Which arms of a study make a front: one strategy under several weights of a term of the loss, all else equal."""

import json
from collections.abc import Mapping
from math import nan
from typing import Any

import pandas as pd

from reports.records.files import as_object


def with_fronts(definition: Mapping[str, Any], arms: pd.DataFrame) -> pd.DataFrame:
    """``arms`` with the ``front`` that each stands on (None where on none), its ``weight`` and what is ``varied``.

    A front needs two arms whose methods and budgets are the same but for one number in the loss.
    """
    planned = [as_object(arm) for arm in definition.get("arms") or []]
    losses = {_identity(arm): as_object(as_object(arm.get("method")).get("loss")) for arm in planned}
    rests = {_identity(arm): _rest(arm) for arm in planned}
    identities = [(label, str(group)) for label, group in zip(arms["label"], arms["group"], strict=True)]
    varied = _varied(list(losses.values()))
    rows = []
    for identity in identities:
        loss, rest = losses.get(identity, {}), rests.get(identity, "")
        others = {key: value for key, value in loss.items() if key != varied}
        front = json.dumps([rest, others], sort_keys=True) if varied in loss else None
        weight = loss.get(varied or "", nan)
        rows.append({"front": front, "weight": weight, "varied": _words(varied)})
    made = pd.DataFrame(rows, index=arms.index, columns=["front", "weight", "varied"])
    alone = made.groupby("front")["weight"].transform("nunique") < 2
    made.loc[alone.reindex(made.index, fill_value=True), "front"] = None
    return arms.assign(front=made["front"], weight=made["weight"].astype(float), varied=made["varied"])


def _identity(arm: Mapping[str, Any]) -> tuple[str, str]:
    return str(arm.get("label")), str(arm.get("group") or "arms")


def _rest(arm: Mapping[str, Any]) -> str:
    method = {key: value for key, value in as_object(arm.get("method")).items() if key != "loss"}
    return json.dumps([method, arm.get("budget_changes")], sort_keys=True)


def _varied(losses: list[dict[str, Any]]) -> str | None:
    """The one weight of the loss that arms differ in; None where it is none or several."""
    names = {name for loss in losses for name in loss}
    numbers = {
        name
        for name in names
        if len({json.dumps(loss[name]) for loss in losses if name in loss}) > 1
        and all(isinstance(loss.get(name, 0.0), int | float) for loss in losses)
    }
    return next(iter(numbers)) if len(numbers) == 1 else None


def _words(name: str | None) -> str:
    return "the loss" if name is None else name.replace("_", " ").replace("kl ", "KL ")
