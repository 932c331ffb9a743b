"""The sections of studies that were run on several data sets."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reports.analysis.comparison import Comparison
from reports.analysis.datasets import across
from reports.analysis.datasets_summary import across_summary
from reports.figures.datasets import across_figure
from reports.page.render import cells, drawn
from reports.tables.datasets import across_table, interaction_table
from reports.wording import listing

MOST_BYTES = 500_000
"""Of the figure of one study on several data sets."""
PYTHON = "plot.across_datasets(load(RUNS))"
_KINDS = (("CSV", "csv"), ("Markdown", "md"), ("LaTeX", "tex"))


def across_sections(comparisons: Sequence[Comparison], out: Path, budget: int = MOST_BYTES) -> Iterable[dict[str, Any]]:
    """What the template says of each study on several data sets; its table is written on the way."""
    for study in across(comparisons):
        table = across_table(study)
        table.write(out / "tables", study.stem)
        interaction = interaction_table(study)
        interaction.write(out / "tables", f"{study.stem}_interaction")
        (figure,) = drawn(study.stem, [across_figure(study)], out, budget, {"order": PYTHON})
        yield {
            "kind": "across",
            "figure": figure,
            "switched": [str(arm) for arm in study.means],
            "switched_name": "Arms",
            "name": f"{study.name}: across data sets",
            "id": study.stem,
            "dataset": listing([f"{name} ({kind})" if kind else name for name, kind in study.kinds.items()]),
            "summary": across_summary(study),
            "table": cells(table, stem=study.stem, name="ranks", written=False)
            | {"files": {kind: f"tables/{study.stem}.{ending}" for kind, ending in _KINDS}},
            "interaction": cells(interaction, stem=study.stem, name="interaction"),
        }
