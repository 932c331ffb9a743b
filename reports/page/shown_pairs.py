"""The pairs that the page shows, worst first, each with the way to its slices."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.page.render import cells
from reports.plots.slices import RANKS
from reports.tables.table import Table, caption
from reports.wording import number


def shown_pairs(comparison: Comparison, viewers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The table for the template: best, median and worst pair of each arm that has slices to go through."""
    records = comparison.records
    rows = []
    for arm, viewer in viewers.items():
        ranks = {str(view["rank"]) for view in viewer.get("views", [])}
        for rank, about in ((rank, records.pictures[arm].pairs.get(rank, {})) for rank in RANKS if rank in ranks):
            dice = about.get("dice")
            value = float(dice) if isinstance(dice, float) else float("nan")
            pair = str(about.get("pair", "")).replace("<-", " ← ")
            rows.append({"arm": arm, "rank": rank, "pair": pair, "dice": value, "link": f"#{viewer['id']}-{rank}"})
    found = pd.DataFrame(rows, columns=["arm", "rank", "pair", "dice", "link"]).sort_values("dice", kind="stable")
    shown = pd.DataFrame(
        {
            "Arm": found["arm"],
            "Dice": [number(value) for value in found["dice"]],
            "Which": found["rank"],
            "Pair": found["pair"],
        }
    )
    text = caption("The pairs whose slices are shown below, worst first; each links to its slices.", records)
    table = Table(title="Pairs that are shown", caption=text, numbers=shown, shown=shown)
    content = cells(table, stem=records.stem, name="shown_pairs", written=False)
    for place, (row, link) in enumerate(zip(content["rows"], found["link"], strict=True)):
        row |= {"id": f"{records.stem}-pair-{place}", "arm": row["cells"][0], "seed": ""}
        row["links"] = {len(row["cells"]) - 1: link}
    return content
