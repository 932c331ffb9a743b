"""What a study did, from its records; and which sentences of its recorded protocol those do not bear out."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.analysis.comparison import MATCHED, Comparison
from reports.records.files import as_object
from reports.records.loading import OPTIMISED as OPTIMISATION
from reports.wording import listing, number, plural


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """``done``: what the records show. ``stated``: what the study says of itself and they do not contradict.

    ``contradicted``: sentences that they do, which no page repeats as true.
    """

    done: tuple[str, ...]
    stated: tuple[str, ...]
    contradicted: tuple[str, ...]


def protocol(comparison: Comparison) -> Protocol:
    """The protocol of a study: made from what was done, with what it says of itself as far as that holds."""
    stated = [str(sentence) for sentence in comparison.records.definition.get("protocol") or []]
    wrong = [sentence for sentence in stated if _contradicted(sentence, comparison)]
    # How settings were chosen before a study, its own records cannot show.
    chosen = [sentence for sentence in stated if re.search(r"\bchosen by\b", sentence)]
    return Protocol(
        done=tuple(_done(comparison, settings_chosen=bool(chosen))),
        stated=tuple(sentence for sentence in stated if sentence not in (*wrong, *chosen)),
        contradicted=tuple(wrong),
    )


def _done(comparison: Comparison, *, settings_chosen: bool) -> Iterator[str]:
    """What was compared, on what, after which training."""
    yield from _evaluation(comparison)
    yield from _training(comparison)
    yield from _matching(comparison)
    entries = _planned(comparison)
    steps = {as_object(arm.get("method")).get("steps") for arm in entries if _name(arm) == OPTIMISATION}
    if steps:
        counts = listing(sorted(str(count) for count in steps if count is not None)) or "some"
        yield f"Arms of instance optimisation go on from another arm's result for {counts} steps on each pair alone."
    if settings_chosen:
        yield "How the settings of training were chosen is not in the records of this study."


def _evaluation(comparison: Comparison) -> Iterator[str]:
    records, evaluated = comparison.records, comparison.evaluated
    if evaluated.empty:
        yield f"No trial has been evaluated on {records.split}."
        return
    sets = records.pairs.groupby(["arm", "seed"])["pair"].agg(frozenset)
    same = "the same" if sets.nunique() == 1 else f"not all the same (up to {sets.map(len).max()})"
    blocks, pairs = int(evaluated["blocks"].max()), int(evaluated["pairs"].max())
    persons = int(evaluated["persons"].max()) if evaluated["persons"].notna().any() else 0
    weighed = (
        f"; they are connected, and the {persons} subjects, left out one by one, give a conservative interval"
        if persons else ""
    )  # fmt: skip
    yield (
        f"{plural(len(evaluated), 'arm')} evaluated on {same} {plural(pairs, 'pair')} of {records.split}, in "
        f"{plural(blocks, 'block')} of pairs that share subjects{weighed}."
    )


def _training(comparison: Comparison) -> Iterator[str]:
    trained = comparison.evaluated[comparison.evaluated["trained"]]
    trained = trained[trained["method"] != OPTIMISATION]
    if trained.empty:
        yield "No evaluated arm is trained."
        return
    fewest, most = int(trained["seeds"].min()), int(trained["seeds"].max())
    seeds = plural(most, "seed") if fewest == most else f"{fewest} to {plural(most, 'seed')}"
    budget = as_object(comparison.records.definition.get("budget"))
    steps = f" for {budget['steps']:,} steps" if isinstance(budget.get("steps"), int) else ""
    named = f" (budget {budget['name']})" if budget.get("name") else ""
    losses = len(losses_of(comparison)[0])
    differing = {0: "", 1: ", with one loss"}.get(losses, f", with {losses} different losses")
    yield f"{plural(len(trained), 'trained arm')}, {seeds} each, trained{steps}{named}{differing}."
    changed = [str(arm["label"]) for arm in _planned(comparison) if arm.get("budget_changes")]
    if changed:
        yield f"Trained with settings that differ from the budget's: {_some(changed)}."


def _matching(comparison: Comparison) -> Iterator[str]:
    """How close arms that are matched in size came to it."""
    for group, members in comparison.evaluated.groupby("group", sort=False):
        measure = str(group).removeprefix(MATCHED)
        column = {"parameters": "parameters_ratio", "FLOPs": "flops_ratio"}.get(measure)
        if not str(group).startswith(MATCHED) or column is None or members[column].isna().all():
            continue
        low, high = number(members[column].min(), 2), number(members[column].max(), 2)
        span = low if low == high else f"{low} to {high}"
        yield f"Arms {group} have {span} of {comparison.baseline}'s {measure}."


def _contradicted(sentence: str, comparison: Comparison) -> bool:
    return any(re.search(words, sentence) and speaks_against(comparison) for words, speaks_against in _CLAIMS)


def _planned(comparison: Comparison) -> list[dict[str, Any]]:
    """The arms of the study that have a result."""
    labels = set(zip(comparison.evaluated["label"], comparison.evaluated["group"], strict=True))
    arms = [as_object(arm) for arm in comparison.records.definition.get("arms") or []]
    return [arm for arm in arms if (str(arm["label"]), str(arm.get("group") or "arms")) in labels]


def _name(entry: dict[str, Any]) -> str:
    return str(as_object(entry.get("method")).get("name"))


def losses_of(comparison: Comparison) -> tuple[set[str], list[str]]:
    """The distinct losses that arms with a result were trained with, and the arms whose loss is not recorded.

    Instance optimisation is no training.
    """
    trained = set(comparison.evaluated["label"][comparison.evaluated["trained"]])
    entries = [arm for arm in _planned(comparison) if _name(arm) != OPTIMISATION and arm["label"] in trained]
    losses = {str(arm["label"]): as_object(arm.get("method")).get("loss") for arm in entries}
    recorded = {json.dumps(loss, sort_keys=True) for loss in losses.values() if loss}
    return recorded, [label for label, loss in losses.items() if not loss]


def _seeds(trials: pd.DataFrame) -> int:
    return int(trials[trials["trained"].astype(bool)].groupby("arm")["seed"].nunique().max() or 0)


def _any_changed(comparison: Comparison) -> bool:
    return any(arm.get("budget_changes") for arm in _planned(comparison))


def _unmatched(comparison: Comparison) -> bool:
    return not comparison.evaluated["group"].str.startswith(MATCHED).any()


def _arms_lacking(comparison: Comparison) -> bool:
    return len(_planned(comparison)) < len(comparison.records.definition.get("arms") or [])


_CLAIMS: tuple[tuple[str, Callable[[Comparison], bool]], ...] = (
    ("one objective", lambda comparison: len(losses_of(comparison)[0]) > 1),
    ("one schedule|same number of steps", _any_changed),
    ("trained once", lambda comparison: _seeds(comparison.records.trials) > 1),
    # Searches train with seed 0: where it is among the seeds, that training is not a fresh one.
    ("fresh seeds", lambda comparison: 0 in (comparison.records.definition.get("seeds") or [])),
    ("see test|on test", lambda comparison: comparison.records.split != "test"),
    ("^Matched arms|^Arms labelled", _unmatched),
    ("is given to each", _arms_lacking),
    # The loss of all studies up to this sentence was the choice of ``tuning``, over the four direct plans alone.
    ("chosen by .* plans of either decoding", lambda comparison: True),
)
"""What protocols claim, and when the records speak against it."""


def _some(names: list[str], most: int = 4) -> str:
    return listing(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"
