"""Make ``docs/gallery.md`` and its pictures: ``python docs/make_gallery.py [RUNS]``, from the root of the checkout.

Pictures of a comparison are of the records of `virtual_brains` in ``experiments/results/quickstart``, those of a search
of ``experiments/results/placement``. Those of pairs need slices, which are no numbers: they are drawn from RUNS, a run
folder of a study on `virtual_brains`, and left as they are without it.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from reports import plot, tabulate  # noqa: E402
from reports.analysis.ablation import analyse  # noqa: E402
from reports.analysis.comparison import compare_studies  # noqa: E402
from reports.dataframe import load  # noqa: E402
from reports.figures.ablation import ablation_figures  # noqa: E402
from reports.figures.gates import gate_maps  # noqa: E402
from reports.figures.pairs import pictured  # noqa: E402
from reports.figures.search import search_figures  # noqa: E402
from reports.page.python_lines import search_lines  # noqa: E402
from reports.plots.style import style  # noqa: E402
from reports.records.search import load_searches  # noqa: E402

RUNS = "experiments/results/quickstart"
RECORDS = ROOT / RUNS
SEARCH = "experiments/results/placement"
FOLDER = ROOT / "docs" / "gallery"
DPI = 72
ROWS = 3

OPENING = f"""# Gallery

Each table and each figure of a report is one function of a DataFrame of records. The pictures are of simulated brains
(`virtual_brains`, one seed: no evidence for one strategy over another) and are made by `python docs/make_gallery.py`.
```python
from reports import plot, tabulate
from reports.dataframe import load

records = load("{RUNS}")  # one row per pair of a trial; several folders: a list of them
tabulate.leaderboard(records, primary="dice", baseline="AutoFuse")  # a DataFrame
ax = plot.differences(records, primary="hd95_mm")  # matplotlib Axes; ax=... draws into your own figure
ax.figure.savefig("differences.svg")
```
`primary` is any recorded metric: `dice`, `hd95_mm`, `assd_mm`, `hd95_vox`, `hd95_l2r_vox`, `folding_fraction`,
`ndv_fraction`, `sd_log_jacobian`, `sdlogj_l2r`, `endpoint_error_mm`, or a `Metric` of your own that is a column.
Structures, training and gates have records of their own:
`load(..., kind="labels")`, `"history"`, `"gates"`. A DataFrame of your own serves as well: `arm`, `seed`, `pair`,
`block` (pairs that share subjects share a block) and the metric are all that is needed.

`colours=` and `labels=` (by arm), `order=` (the arms to draw, first to last) and `legend=False` change the look of a
figure; `with look(width="column", font="serif")` of `reports.plots.style`, or `python -m reports ... --width column
--font serif`, its size and letters.
"""


def main() -> None:
    """Write the page and its pictures."""
    FOLDER.mkdir(exist_ok=True)
    records = load(RECORDS)
    parts = [OPENING, "## Figures\n", *_figures(records)]
    parts.append(
        "Drawn where strategies stand in several groups, and where there are several data sets: "
        "`plot.side_by_side(records)`, `plot.across_datasets(records)`.\n"
    )
    parts += ["## Tables\n", *_tables(records)]
    parts.append(
        "Where strategies stand in several groups, and where there are several data sets: "
        "`tabulate.side_by_side(records)`, `tabulate.across_datasets(records)`.\n"
    )
    parts.append(PAIRS)
    if len(sys.argv) > 1:
        _draw_pairs(Path(sys.argv[1]))
    parts += _searches()
    (ROOT / "docs" / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


def _figures(records: pd.DataFrame) -> list[str]:
    """Every figure of a comparison, each drawn by one function of a DataFrame (``reports.plot``)."""
    labels, history, gates = load(RECORDS, kind="labels"), load(RECORDS, kind="history"), load(RECORDS, kind="gates")
    figures: list[tuple[Callable[..., Axes], str, tuple[object, ...], float]] = [
        (plot.forest, "records", (records,), 1.8),
        (plot.distribution, "records", (records,), 2.6),
        (plot.differences, "records", (records,), 2.2),
        (plot.against, 'records, "sd_log_jacobian"', (records, "sd_log_jacobian"), 2.8),
        (plot.significance, "records", (records,), 2.8),
        (plot.critical_difference, "records", (records,), 1.8),
        (plot.stability, "records", (records,), 2.2),
        (plot.structures, "labels", (labels,), 4.0),
        (plot.training, "history", (history,), 2.6),
        (plot.gates, "gates, 3", (gates, 3), 2.4),
    ]
    parts = []
    for function, words, arguments, height in figures:
        with style():
            figure = Figure(figsize=(7.2, height))
            function(*arguments, ax=figure.subplots())
            figure.savefig(FOLDER / f"{function.__name__}.png", dpi=DPI, metadata={"Software": None})
        parts.append(_entry(f"plot.{function.__name__}({words})", function, f"![](gallery/{function.__name__}.png)"))
    return parts


def _tables(records: pd.DataFrame) -> list[str]:
    """The first rows of every table of a comparison (``reports.tabulate``)."""
    labels = load(RECORDS, kind="labels")
    tables: list[tuple[Callable[..., pd.DataFrame], str, tuple[object, ...]]] = [
        (tabulate.overview, "records", (records,)),
        (tabulate.leaderboard, "records", (records,)),
        (tabulate.differences, "records", (records,)),
        (tabulate.significance, "records", (records,)),
        (tabulate.ranks, "records", (records,)),
        (tabulate.robustness, "records", (records,)),
        (tabulate.wilcoxon, "records", (records,)),
        (tabulate.regularity, "records", (records,)),
        (tabulate.cost, "records", (records,)),
        (tabulate.seeds, "records", (records,)),
        (tabulate.structures, "labels", (labels,)),
    ]
    return [
        _entry(f"tabulate.{function.__name__}({words})", function, _head(function(*arguments)))
        for function, words, arguments in tables
    ]


PAIRS = """## Pairs

Best, median and worst pair of an arm, and how a gate weighs its paths in space; the page has a viewer of slices too.
Drawn from a run folder, whose slices are not among the exported numbers.
```python
from reports.analysis.comparison import compare_studies
from reports.figures.gates import gate_figures
from reports.figures.pairs import pictured

(comparison,) = compare_studies(["runs"], study="quickstart-virtual_brains-search-300")
for captioned in [*pictured(comparison), *gate_figures(comparison)]:
    captioned.figure.savefig(f"{captioned.name}.png")
```
![Best, median and worst pair of C2F AutoFuse](gallery/pairs.png)

![Weights of gates over a slice](gallery/gate_maps.png)
"""


def _draw_pairs(runs: Path) -> None:
    """The pairs of the baseline and the maps of its gates, simulated brains alone.

    Raises:
        ValueError: a study in RUNS is of other images, or none has slices.
    """
    (comparison,) = compare_studies([runs])
    if comparison.records.dataset.get("name") != "virtual_brains":
        raise ValueError(f"{runs}: the gallery shows no images of people, only virtual_brains")
    maps = gate_maps(comparison, comparison.baseline)
    pairs = next(captioned for captioned in pictured(comparison) if captioned.title == comparison.baseline)
    for name, captioned in (("pairs", pairs), ("gate_maps", maps)):
        if captioned is None or captioned.figure is None:
            raise ValueError(f"{runs}: no slices of {comparison.baseline}")
        captioned.figure.savefig(FOLDER / f"{name}.png", dpi=DPI, metadata={"Software": None})


SEARCHES = f"""## Searches

What a search found, how well its early steps predicted the end, which stage mattered, and what lies between two plans.
The pictures are of the search over placements on the hippocampus (`{SEARCH}`).
```python
from reports import plot

search = plot.load_search("{SEARCH}")  # ``plot.load_search(...)``: with ``study=``, one of several
search.candidates  # a DataFrame: one row per candidate
ax = plot.incumbent(search)  # matplotlib Axes; ax=... draws into your own figure
```
The pictures are as the page shows them, with a panel for the search and one for its random control; a function draws
one panel, `part="random control"` the other. Where there are several objectives: `plot.front(search, "flops")`; where
there are settings beside stages: `plot.effect(search, "learning_rate")`.
"""


def _searches() -> list[str]:
    """Every figure of a search, each drawn by one function of a DataFrame (``reports.plots.search`` and others)."""
    (records,) = load_searches([ROOT / SEARCH])
    parts = [SEARCHES]
    for captioned in [*search_figures(records), *ablation_figures(analyse(records))]:
        if captioned.figure is not None:
            captioned.figure.savefig(FOLDER / f"search_{captioned.name}.png", dpi=DPI, metadata={"Software": None})
            call = search_lines(records)[captioned.name]
            parts.append(
                f"**`{call}`**: {captioned.title}\n\n![{captioned.alt}](gallery/search_{captioned.name}.png)\n"
            )
    return parts


def _entry(call: str, function: Callable[..., object], shown: str) -> str:
    first = str(inspect.getdoc(function)).splitlines()[0].replace("``", "`")
    return f"**`{call}`**: {first}\n\n{shown}\n"


def _head(table: pd.DataFrame) -> str:
    """The first rows of a table and as many of its columns as a page is wide."""
    table = table.iloc[:ROWS, :8]
    rows = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in table.to_numpy()]
    names = [str(name) for name in table.columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in [names, ["---"] * len(names), *rows])


if __name__ == "__main__":
    mpl.use("agg")
    main()
