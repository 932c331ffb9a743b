"""The sections of studies that were run on several data sets."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reports.analysis.comparison import Comparison
from reports.analysis.datasets import across, across_summary
from reports.page.render import cells
from reports.tables.datasets import across_table, interaction_table
from reports.wording import listing

_KINDS = (("CSV", "csv"), ("Markdown", "md"), ("LaTeX", "tex"))


def across_sections(comparisons: Sequence[Comparison], out: Path) -> Iterable[dict[str, Any]]:
    """What the template says of each study on several data sets; its table is written on the way."""
    for study in across(comparisons):
        table = across_table(study)
        table.write(out / "tables", study.stem)
        interaction = interaction_table(study)
        interaction.write(out / "tables", f"{study.stem}_interaction")
        yield {
            "kind": "across",
            "name": f"{study.name}: across data sets",
            "id": study.stem,
            "dataset": listing([str(name) for name in study.means.index]),
            "summary": across_summary(study),
            "table": cells(table, stem=study.stem, name="ranks", written=False)
            | {"files": {kind: f"tables/{study.stem}.{ending}" for kind, ending in _KINDS}},
            "interaction": cells(interaction, stem=study.stem, name="interaction"),
        }
