"""From a DataFrame of records alone: the same numbers as from the files, and plain errors."""

import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import plot, tabulate
from reports.analysis.comparison import compare_studies
from reports.dataframe import comparison_of, load
from reports.records import NothingToReportError
from tests.reports.records_fixture import ARMS, FUSION_ARMS, Records, write_records


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frame")
    write_records(folder, Records(arms=FUSION_ARMS, seeds=2, blocks=6))
    return folder


@pytest.fixture(scope="module")
def records(runs: Path) -> pd.DataFrame:
    return load(runs)


def test_a_row_is_a_pair_of_a_trial(records: pd.DataFrame) -> None:
    assert len(records) == (2 * 10 + 1) * 6 * 4
    assert records.duplicated(["arm", "seed", "pair"]).sum() == 0
    assert set(records["study"]) == {"fusion"}
    assert records["dataset"].unique().tolist() == ["hippocampus"]


def test_the_frame_gives_what_the_files_give(runs: Path, records: pd.DataFrame) -> None:
    from_files, from_frame = compare_studies([runs])[0], comparison_of(records)
    assert from_frame.baseline == from_files.baseline
    columns = [name for name in from_files.arms if name not in ("keys", "training_s", "step_s")]
    pd.testing.assert_frame_equal(from_frame.arms[columns], from_files.arms[columns], check_dtype=False)


TABLES = (
    tabulate.overview, tabulate.leaderboard, tabulate.differences, tabulate.significance, tabulate.ranks,
    tabulate.wilcoxon, tabulate.side_by_side, tabulate.regularity, tabulate.cost, tabulate.seeds,
)  # fmt: skip
FIGURES = (
    plot.distribution, plot.differences, plot.side_by_side, plot.significance, plot.critical_difference, plot.stability,
)  # fmt: skip


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.__name__))
def test_each_table_is_one_function(records: pd.DataFrame, table: object) -> None:
    made = table(records)  # type: ignore[operator]
    assert isinstance(made, pd.DataFrame)
    assert len(made)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: str(figure.__name__))
def test_each_figure_is_one_function(records: pd.DataFrame, figure: object) -> None:
    ax = Figure().subplots()
    assert figure(records, ax=ax) is ax  # type: ignore[operator]
    assert ax.has_data() or ax.texts


def test_figures_of_labels_history_and_gates(runs: Path, records: pd.DataFrame) -> None:
    labels, history, gates = (load(runs, kind=kind) for kind in ("labels", "history", "gates"))
    for made in (
        plot.structures(labels),
        plot.training(history),
        plot.gates(gates, 3),
        plot.against(records, "parameters"),
    ):
        assert isinstance(made, Axes)
    assert set(tabulate.structures(labels)["name"]) == {"anterior", "posterior"}


def test_a_few_columns_are_enough() -> None:
    rows = [("a", 0, "p", "x", 0.5), ("a", 0, "q", "y", 0.6), ("b", 0, "p", "x", 0.7), ("b", 0, "q", "y", 0.9)]
    made = tabulate.differences(pd.DataFrame(rows, columns=["arm", "seed", "pair", "block", "dice"]))
    assert made["difference"].to_list() == pytest.approx([0.25])
    assert made["verdict"].to_list() == ["no claim: one seed"]


def test_the_gallery_shows_every_function() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "gallery.md").read_text()
    tables = [name for name, value in vars(tabulate).items() if getattr(value, "__module__", "") == tabulate.__name__]
    for module, names in ((plot, plot.__all__), (tabulate, tables)):
        for name in (name for name in names if not name.startswith("_")):
            assert f"`{module.__name__.removeprefix('reports.')}.{name}(" in page
    shown = re.findall(r"\((gallery/\w+\.png)\)", page)
    assert sorted(shown) == sorted(f"gallery/{path.name}" for path in (docs / "gallery").glob("*.png"))


def test_several_data_sets(records: pd.DataFrame) -> None:
    other = records.assign(dataset="other", study="fusion", dice=records["dice"] - 0.1)
    made = tabulate.across_datasets(pd.concat([records, other], ignore_index=True))
    assert list(made.columns[:3]) == ["arm", "mean_hippocampus", "mean_other"]
    with pytest.raises(ValueError, match="must be of several data sets, got 1"):
        tabulate.across_datasets(records)


def test_unusable_records_are_refused_in_words(records: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"comparison_of\(\): 'records' must have the columns block"):
        comparison_of(records.drop(columns="block"))
    with pytest.raises(ValueError, match="must have a pair of a trial once, got early, seed 0"):
        comparison_of(pd.concat([records, records[records["arm"] == "early"]]))
    with pytest.raises(ValueError, match="must be of one study, got fusion, gate"):
        comparison_of(pd.concat([records, records.assign(study="gate")]))
    with pytest.raises(NothingToReportError, match="no metric named 'iou'; there are: dice, hd95_mm"):
        comparison_of(records, primary="iou")
    with pytest.raises(NothingToReportError, match="no arm 'x' to compare with"):
        comparison_of(records, baseline="x")


def test_a_trial_without_a_result_is_a_row(tmp_path: Path) -> None:
    folders = write_records(tmp_path, Records(arms=ARMS[:2], seeds=2))
    (folders["early", "1"] / "eval" / "val" / "pairs.csv").unlink()
    records = load(tmp_path)
    row = records[(records["arm"] == "early") & (records["seed"] == "1")]
    assert row["state"].to_list() == ["not evaluated"]
    assert comparison_of(records).arms.set_index("arm").loc[["early"], ["seeds", "seeds_planned"]].to_numpy()[
        0
    ].tolist() == [1, 2]
