"""Tables of a search: its best candidates, its health, and what failed."""

from collections.abc import Callable
from math import isnan
from typing import Any, TypeAlias

import pandas as pd

from reports.analysis.candidates import front, ranked
from reports.analysis.effort import training_hours
from reports.analysis.search import objectives_of, proposer, title
from reports.records.levels import word
from reports.records.plans import NAMED_PLANS, is_coarse_to_fine, is_plan
from reports.records.search import SearchRecords
from reports.tables.provenance import origin
from reports.tables.table import Table, caption
from reports.tables.terminal import underlined
from reports.wording import MINUS, NOT_MEASURED, count, listing, number, plural, share, significant

BEST = 10
MOST_ENDINGS = 30
Row: TypeAlias = "pd.Series[Any]"


def best_candidates(records: SearchRecords) -> Table:
    """The best of the search and of its control, with what they cost and how regular they are."""
    aims = objectives_of(records)
    candidates, numbers = records.candidates, candidates_numbers(records)
    if len(aims) > 1:
        finished = candidates[candidates["state"] == "finished"]
        on_front = front(finished, aims).reindex(candidates.index, fill_value=False)
        candidates, numbers = candidates.assign(front=on_front), numbers.assign(front=on_front)
    leaders = [ranked(candidates[candidates["part"] == part], aims[0]).head(BEST) for part in records.entries]
    shown = pd.concat([table for table in leaders if len(table)] or leaders[:1])
    columns: dict[str, Callable[[Row], str]] = {
        "Configuration": title,
        "Proposed": lambda row: count(row["order"]),
        "Gain": lambda row: number(row["last_gain"], 4, signed=True),
        "at step": lambda row: count(row["step"]),
        "State": lambda row: str(row["state"]) + (", reused" if row["reused"] else ""),
        "SD log J": lambda row: number(row["regularity"]),
        "Folding fraction": lambda row: share(row["folding"]),
        "Parameters": lambda row: count(row["parameters"]),
        "GFLOPs": lambda row: significant(row["flops"] / 1e9),
    }
    if len(aims) > 1:
        columns["Front"] = lambda row: "yes" if row["front"] else ""
    rows = [[show(row) for show in columns.values()] for _, row in shown.iterrows()]
    over = "; ".join(f"{part}: {len(records.of(part))} proposed" for part in records.entries)
    text = (
        f"{over.capitalize()}. At most {BEST} of each are shown, the finished ones first by "
        f"{'gain' if aims[0].name == 'dice' else aims[0].label}, then those that were stopped, which are judged at an "
        f"earlier step and not comparable with them. Gain = val Dice less that of identity{_over(records)}. FLOPs are "
        "of one forward pass."
    )
    if numbers["reused"].any():
        text += " Reused: trained before, by another study or search; one that was stopped, by the measure of that one."
    text += _named_plans(records)
    if (records.candidates["name"] == "base").any():
        text += " Base: the configuration that the search varies."
    return Table(
        title="Best candidates",
        caption=caption(text, records),
        numbers=numbers,
        shown=pd.DataFrame(rows, columns=list(columns)),
        groups=tuple(proposer(records, str(part), opens=True) for part in shown["part"]),
    )


def _named_plans(records: SearchRecords) -> str:
    """What became of the plans that have a name, where the search varies the plan and nothing else."""
    space = records.searched["space"]
    if not space.get("operators") or space.get("parameters"):
        return ""
    candidates = records.candidates.drop_duplicates("keys").set_index("name")
    decoding = is_coarse_to_fine(str(space["operators"]))
    names = [name for plan, name in NAMED_PLANS.items() if is_coarse_to_fine(plan) == decoding]
    sentences = [f"{name} {_outcome(candidates.loc[[name]].iloc[0])}" for name in names if name in candidates.index]
    absent = [name for name in names if name not in candidates.index]
    sentences += [f"{listing(absent)} not proposed"] if absent else []
    return f" Named plans: {'; '.join(sentences)}."


def _outcome(row: Row) -> str:
    unmeasured = isnan(row["last_gain"])
    return (
        str(row["state"]) if unmeasured else f"{number(row['last_gain'], 4, signed=True)} at step {count(row['step'])}"
    )


def proposals(records: SearchRecords) -> Table:
    """Every candidate with what it chose, in the order of its proposal."""
    candidates = records.candidates
    names = list(dict.fromkeys(name for values in candidates["values"] for name in values if name != "plan"))
    settings: dict[str, list[str]] = {
        name: [word(v[name]) if name in v else "" for v in candidates["values"]] for name in names
    }
    if candidates["plan"].map(is_plan).any():
        settings = {"Plan": [str(plan) for plan in candidates["plan"].fillna("")], **settings}
    shown = pd.DataFrame(
        {
            "Proposed": candidates["order"].map(count),
            **settings,
            "Gain": [number(value, 4, signed=True) for value in candidates["last_gain"]],
            "at step": candidates["step"].map(count),
            "State": candidates["state"].astype(str),
            "SD log J": candidates["regularity"].map(number),
            "Folding fraction": candidates["folding"].map(share),
            "Parameters": candidates["parameters"].map(count),
        }
    )
    groups = tuple(proposer(records, str(part), opens=True) for part in candidates["part"])
    text = caption("Every candidate, in the order of its proposal; gain: at the last step that it reached.", records)
    return Table(title="All candidates", caption=text, numbers=shown, shown=shown, groups=groups)


def health(records: SearchRecords) -> Table:
    """How the candidates of search and control ended, and what that took."""
    parts = list(records.entries)
    facts = {part: _facts(records, part) for part in parts}
    names = list(dict.fromkeys(name for column in facts.values() for name in column))
    shown = pd.DataFrame(
        [[name, *(facts[part].get(name, "0") for part in parts)] for name in names],
        columns=["What", *(part.capitalize() for part in parts)],
    )
    text = (
        "A candidate is a distinct configuration; it ends with its last trial, or with the first that does not finish. "
        "Reused candidates were trained by an earlier study under the same key; hours count them."
    )
    if len(parts) > 1:
        keys = [set(records.of(part)["keys"]) for part in parts]
        text += f" In both: {plural(len(keys[0] & keys[1]), 'candidate')}."
    return Table(title="Search health", caption=caption(text, records), numbers=shown, shown=shown)


def _facts(records: SearchRecords, part: str) -> dict[str, str]:
    candidates = records.of(part)
    states = candidates["state"].astype(str).value_counts()
    pruned = candidates[candidates["state"] == "pruned"]["step"].dropna().astype(int).value_counts().sort_index()
    trials = records.trials[records.trials["part"] == part]
    resumed = int((pd.to_numeric(trials["resumed_at"], errors="coerce") > 0).sum())
    return {
        "Planned": count(records.planned[part]),
        "Proposed": count(len(candidates)),
        "Finished": count(states.get("finished", 0)),
        "Stopped early": count(states.get("pruned", 0)),
        **{f"Stopped early at step {step}": count(amount) for step, amount in pruned.items()},
        "Failed": count(states.get("failed", 0)),
        **{str(state).capitalize(): count(amount) for state, amount in states.items() if state not in _COUNTED},
        "Proposed twice": count(int(candidates["keys"].duplicated().sum())),
        "Reused": count(int(candidates["reused"].astype(bool).sum())),
        "Duplicates avoided": _counted(records, part, "duplicates"),
        "Refused before training": _counted(records, part, "refused"),
        "Trials resumed from a checkpoint": count(resumed),
        **_hours(candidates, trials),
    }


def _counted(records: SearchRecords, part: str, name: str) -> str:
    """What the entries of a search have counted on the way; a proposal is one, however many data sets it ran on."""
    counts = [entry["search"].get(name) for entry in records.entries[part]]
    counted = [entry for entry in counts if isinstance(entry, int) and not isinstance(entry, bool)]
    return count(max(counted)) if counted else "not recorded"


def _hours(candidates: pd.DataFrame, trials: pd.DataFrame) -> dict[str, str]:
    """Hours of training, and what they took of cores and of GPUs; a GPU that trials shared counts once for each."""
    if candidates["seconds"].isna().all():
        return {"Hours of training": NOT_MEASURED}
    facts = trials.drop_duplicates("key").set_index("key")
    first = candidates["keys"].map(lambda keys: keys[0] if keys else "")
    machines = {name: first.map(facts[name]) for name in ("threads", "device", "devices")}
    hours = training_hours(pd.DataFrame({"key": candidates["order"], "training_s": candidates["seconds"], **machines}))
    amounts = {"Hours of training": hours.training, "Core-hours": hours.cores, "GPU-hours": hours.gpus}
    return {name: f"{amount:.2f}" for name, amount in amounts.items()}


_COUNTED = ("finished", "pruned", "failed")


def endings(records: SearchRecords) -> Table:
    """The candidates that neither finished nor were stopped early, and why."""
    ended = records.candidates[~records.candidates["state"].isin(["finished", "pruned"])]
    numbers = ended[["part", "order", "label", "state", "reason"]]
    shown = numbers.head(MOST_ENDINGS).assign(order=numbers["order"].map(count)).rename(columns=str.capitalize)
    shown = shown.rename(columns={"Order": "Proposed", "Label": "Configuration"}).reset_index(drop=True)
    sentence = f"Candidates without a result: {len(ended)} of {len(records.candidates)}."
    if len(ended) > MOST_ENDINGS:
        reasons = ended["reason"].value_counts()
        most = "; ".join(f"{amount} {reason}" for reason, amount in reasons.head(5).items())
        sentence += f" The first {MOST_ENDINGS} are shown, all are in the CSV. Most often: {most}."
    text = caption(sentence, records)
    return Table(title="Failed and unfinished candidates", caption=text, numbers=numbers, shown=shown)


def search_provenance(records: SearchRecords) -> Table:
    """Where the trials of search and control come from."""
    unique = records.trials.drop_duplicates("key")
    states = ", ".join(f"{amount} {state}" for state, amount in unique["state"].value_counts().items())
    done = f"{len(unique)}: {states}" if states else "none"
    return origin(unique, records.definition, records.dataset, done=done, keys="candidates")


def candidates_numbers(records: SearchRecords) -> pd.DataFrame:
    """All that is known of a candidate in one row."""
    named = records.candidates["values"].map(lambda values: {f"value {name}": value for name, value in values.items()})
    values = pd.DataFrame(list(named), index=records.candidates.index)
    numbers = records.candidates.drop(columns=["values"]).join(values)
    return numbers.assign(keys=numbers["keys"].map(" ".join), split=records.split)


def search_tables(records: SearchRecords) -> dict[str, Table]:
    """Every table by the name of its file; ``candidates`` holds all candidates with all their numbers."""
    made = {"candidates": best_candidates, "health": health, "endings": endings}
    return {name: table(records) for name, table in made.items()}


def search_text(records: SearchRecords) -> str:
    """The best candidates as a short plain table for a terminal."""
    table = best_candidates(records)
    chosen = ["Configuration", "Gain", "at step", "State", "SD log J", "Parameters", "GFLOPs"]
    rows = [[group, *row] for group, row in zip(table.groups, table.shown[chosen].to_numpy().tolist(), strict=True)]
    body = underlined(["", *chosen], rows)
    text = "\n".join([f"{records.name}: {caption('a search,', records)}", *body])
    return text.replace(NOT_MEASURED, "-").replace(MINUS, "-")


def _over(records: SearchRecords) -> str:
    """What a gain is the mean of, if of anything."""
    seeds, sets = len(records.definition.get("seeds") or [0]), len(next(iter(records.entries.values())))
    over = plural(seeds, "seed")
    over = f"{over} and {plural(sets, 'data set')}" if sets > 1 else over
    return f", mean over {over}" if max(seeds, sets) > 1 else ""
