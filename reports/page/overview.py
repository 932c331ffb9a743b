"""What stands above several studies on one page: the best arm of each, and how far it is from the baseline."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.analysis.comparison import Comparison
from reports.page.render import cells
from reports.tables.table import Table


def studies_overview(comparisons: Sequence[Comparison]) -> dict[str, Any] | None:
    """One row per study, for the template, each with the way to its section; None where there is but one."""
    if len(comparisons) < 2:
        return None
    shown = pd.DataFrame([_row(comparison) for comparison in comparisons])
    text = (
        "The best arm of each study, whatever it is, and its difference to the baseline with the 95 % interval; what "
        "may be claimed is in the verdict. A study's name links to its section."
    )
    table = Table(title="Studies on this page", caption=text, numbers=shown, shown=shown)
    content = cells(table, stem="page", name="studies", written=False)
    for row, comparison in zip(content["rows"], comparisons, strict=True):
        row["links"] = {0: f"#{comparison.records.stem}"}
    return content


def _row(comparison: Comparison) -> dict[str, str]:
    metric, ranked = comparison.metric, comparison.ranked
    row = {"Study": comparison.records.name, "Data set": str(comparison.records.dataset.get("name") or "not named")}
    row |= {"Best arm": "no result", "Score": "", "Baseline": comparison.baseline, "Difference": "", "Verdict": ""}
    if ranked.empty:
        return row
    best = ranked.iloc[0]
    untrained = " (not trained)" if not best["trained"] and ranked["trained"].any() else ""
    row |= {"Best arm": f"{best['arm']}{untrained}", "Score": metric.amount(best[metric.mean])}
    if best["arm"] != comparison.baseline and pd.notna(best["difference"]):
        interval = metric.between(best["difference_low"], best["difference_high"], signed=True)
        row["Difference"] = f"{metric.number(best['difference'], signed=True)} ({interval})"
    return row | {"Verdict": str(best["verdict"])}
