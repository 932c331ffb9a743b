"""Records of searches with numbers small enough to work out by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IDENTITY_DICE = 0.5
BASE = {"name": "fusion", "plan": "ggggggg", "gate": {"temperature": 1.0}}
PLACEMENT = {"base": BASE, "operators": "jsg", "parameters": []}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A candidate: its plan or other values, and its gains over identity at steps 50, 100, ... as far as it came.

    ``ended``: how the search judged it, where its entry says so.
    """

    plan: str = "ggggggg"
    gains: Sequence[float] = ()
    status: str = "finished"
    reason: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    regularity: float = 0.25
    folding: float = 0.0
    parameters: int = 1_000_000
    flops: int = 10_000_000_000
    seconds: float | None = 36.0
    started: str = "2026-11-22T10:00:00+00:00"
    key: str = ""
    ended: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A search, or its random control, on one data set."""

    name: str = "placement"
    proposals: Sequence[Proposal] = ()
    dataset: str = "hippocampus"
    identity: float = IDENTITY_DICE
    search: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    budget: Mapping[str, Any] = field(default_factory=lambda: {"name": "search", "steps": 200})


# Three finished, two stopped at the first rung, one dead branch, one that is early fusion.
FOUND = (
    Proposal(plan="jjjjjjj", gains=(0.02, 0.04, 0.05, 0.06)),
    Proposal(plan="sjjjjjj", gains=(0.00,), status="pruned", reason="stopped at step 50", seconds=9.0),
    Proposal(plan="------s", gains=(0.01, 0.02), status="pruned", reason="stopped at step 100", seconds=18.0),
    Proposal(plan="ggggggg", gains=(0.03, 0.05, 0.07, 0.08), regularity=0.30, flops=20_000_000_000),
    Proposal(plan="sssgjjg", gains=(0.04, 0.05, 0.06, 0.07)),
)
DRAWN = (
    Proposal(plan="jsjsjsj", gains=(0.01, 0.02, 0.03, 0.04), started="2026-11-22T11:00:00+00:00"),
    Proposal(plan="g----sg", gains=(-0.02,), status="pruned", reason="stopped at step 50", seconds=9.0),
)


def search_and_control(runs: Path) -> None:
    """A search of five candidates, and its random control of two."""
    write_search(runs, Entry(proposals=FOUND))
    control = {"control_of": "placement", "searcher": "random", "trials": 2}
    write_search(runs, Entry(name="placement-random", proposals=DRAWN, search=control))


def write_search(runs: Path, recorded: Entry) -> None:
    """Write the entry of a search and the folders of its trials."""
    arms = []
    for order, proposal in enumerate(recorded.proposals):
        keys = {
            str(seed): proposal.key or f"{recorded.name}{order:02d}{seed}".replace("-", "")[-16:].rjust(16, "0")
            for seed in range(recorded.seeds)
        }
        values = dict(proposal.values) or {f"plan.{n}": o for n, o in enumerate(proposal.plan, 1) if o != "-"}
        method = {**BASE, "plan": proposal.plan, **({"gate": dict(proposal.values)} if proposal.values else {})}
        label = proposal.plan if not proposal.values else ", ".join(f"{k} {v}" for k, v in proposal.values.items())
        arms.append(
            {
                "label": label,
                "group": "searched",
                "method": method,
                "values": values,
                "keys": keys,
                "budget_changes": {},
                **({} if proposal.ended is None else {"ended": dict(proposal.ended)}),
            }
        )
        for key in keys.values():
            _write_trial(runs / key, proposal, method, recorded)
    search = {
        "space": PLACEMENT, "searcher": "tpe", "seed": 0, "trials": len(recorded.proposals), "objectives": ["dice"],
        "limits": {}, "floors": {recorded.dataset: recorded.identity}, "early_stopping": True,
        "datasets": [recorded.dataset], "control_of": None, **recorded.search,
    }  # fmt: skip
    entry = {
        "format": 1, "name": recorded.name, "study": "placement", "question": "Which operator at which stage?",
        "protocol": ["Every configuration is trained once."], "reference": "", "reported_split": "val",
        "selection_split": "val", "split_note": "a search selects on val", "seeds": list(range(recorded.seeds)),
        "dataset": {
            "name": recorded.dataset, "title": f"Images of {recorded.dataset}",
            "synthetic": recorded.dataset == "brains",
        },
        "budget": dict(recorded.budget), "search": search, "arms": arms,
    }  # fmt: skip
    _write_json(runs / "studies" / f"{recorded.name}.json", entry)


def _write_trial(folder: Path, proposal: Proposal, method: Mapping[str, Any], recorded: Entry) -> None:
    if proposal.status == "missing" or folder.exists():
        return
    folder.mkdir(parents=True)
    configuration = {"method": method, "budget": dict(recorded.budget), "seed": 0, "numerics": 1, "dataset": {}}
    sizes = {"plan": method["plan"], "parameters": proposal.parameters, "flops": proposal.flops}
    record = {"format": 1, "key": folder.name, "status": proposal.status, "reason": proposal.reason}
    _write_json(folder / "record.json", record | sizes | {"configuration": configuration})
    rows = [
        f"{50 * place},0.9,{recorded.identity + gain},{proposal.folding},{proposal.regularity}"
        for place, gain in enumerate(proposal.gains, start=1)
    ]
    header = "step,loss,val_dice,val_folding_fraction,val_sd_log_jacobian"
    (folder / "history.csv").write_text("\n".join([header, *rows, ""]))
    measured = {"started": proposal.started, "threads": 1, "device": "cpu", "versions": {"torch": "2.13.0"}}
    timed = {} if proposal.seconds is None else {"training_s": proposal.seconds}
    _write_json(folder / "measured.json", measured | timed)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
